#include "server/logs/read_audit.h"
#include "base/alloc.h"
#include "base/time.h"
#include "server/common/audit_log.h"

void log_read_audit_init(struct log_read_audit *a, struct db *store, struct job_queue *store_jobs)
{
    *a = (struct log_read_audit){
        .store = store, .store_jobs = store_jobs, .clock_ms = time_monotonic_ms};
}

void log_read_audit_done(struct log_read_audit *a)
{
    set_done(&a->known);
}

void log_read_audit_add(struct log_read_audit *a,
                        const char *who,
                        const char *peer,
                        const char *target)
{
    _cleanup_free_ char *key = xasprintf("%s %s %s", peer, target, who);
    uint64_t now_ms = a->clock_ms();
    struct audit_entry entry;

    if (now_ms - a->since_ms >= LOG_READ_AUDIT_PERIOD_MS ||
        set_size(&a->known) >= LOG_READ_AUDIT_MAX) {
        set_done(&a->known);
        a->since_ms = now_ms;
    }
    if (set_has(&a->known, key))
        return;
    (void)set_add(&a->known, key);
    entry = (struct audit_entry){
        .at_ms = time_utc_ms(),
        .who = xstrdup(who),
        .peer = xstrdup(peer),
        .action = xstrdup("logs_read"),
        .target = xstrdup(target),
        .result = xstrdup("ok"),
    };
    audit_add(a->store, a->store_jobs, &entry);
}
