#include "server/logs/readings.h"
#include "base/alloc.h"
#include "base/time.h"
#include "server/common/audit_log.h"

void log_readings_init(struct log_readings *r, struct db *store, struct job_queue *store_jobs)
{
    *r = (struct log_readings){
        .store = store, .store_jobs = store_jobs, .clock_ms = time_monotonic_ms};
}

void log_readings_done(struct log_readings *r)
{
    map_done(&r->told);
}

void log_readings_add(struct log_readings *r, const char *who, const char *peer, const char *target)
{
    _cleanup_free_ char *key = xasprintf("%s %s %s", peer, target, who);
    uint64_t now_ms = r->clock_ms();
    struct audit_entry entry;

    if (now_ms - r->since_ms >= LOG_READINGS_PERIOD_MS || r->told.size >= LOG_READINGS_MAX) {
        map_done(&r->told);
        r->since_ms = now_ms;
    }
    if (map_find(&r->told, key))
        return;
    (void)map_put(&r->told, key, r);
    entry = (struct audit_entry){
        .at_ms = time_utc_ms(),
        .who = xstrdup(who),
        .peer = xstrdup(peer),
        .action = xstrdup("logs_read"),
        .target = xstrdup(target),
        .result = xstrdup("ok"),
    };
    audit_add(r->store, r->store_jobs, &entry);
}
