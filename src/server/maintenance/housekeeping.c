#include "server/maintenance/housekeeping.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"
#include "server/common/repeated_job.h"
#include "server/store/audit.h"
#include "server/store/events.h"
#include "server/store/tokens.h"
#include "server/store/user_sessions.h"

#define NEXT_BITE_MS 50

struct purge {
    struct db *store;
    int64_t now_ms, events_before_ms, audit_before_ms, max_events;
    bool is_more;
    int code;
    struct error err;
};

struct housekeeping {
    struct housekeeping_options o;
    struct repeated_job job;
};

static uint64_t get_or_default(uint64_t value, uint64_t fallback)
{
    return value ? value : fallback;
}

static void *make_purge(struct repeated_job *j)
{
    const struct housekeeping *h = CONTAINER_OF(j, struct housekeeping, job);
    struct purge *p = xcalloc(1, sizeof(*p));

    p->store = h->o.store;
    p->now_ms = h->o.utc_ms();
    p->events_before_ms = p->now_ms - (int64_t)(h->o.event_days * DAY_MS);
    p->audit_before_ms = p->now_ms - (int64_t)(h->o.audit_days * DAY_MS);
    p->max_events = (int64_t)h->o.max_events;
    return p;
}

static void do_purge(void *run)
{
    struct purge *p = run;

    p->code = tokens_purge(p->store, p->now_ms, &p->err);
    if (p->code == 0)
        p->code = user_sessions_purge(p->store, p->now_ms, &p->err);
    if (p->code == 0)
        p->code = audit_purge(p->store, p->audit_before_ms, &p->err);
    if (p->code == 0) {
        p->code = events_purge(p->store, p->events_before_ms, p->max_events, &p->is_more, &p->err);
    }
}

static uint64_t on_purged(struct repeated_job *j, void *run)
{
    const struct purge *p = run;

    if (p->code < 0)
        log_error(NULL, "could not delete old rows: %s", p->err.msg);
    if (!j)
        return 0;
    return p->code == 0 && p->is_more ? NEXT_BITE_MS
                                      : CONTAINER_OF(j, struct housekeeping, job)->o.period_ms;
}

static uint64_t on_busy(struct repeated_job *j)
{
    (void)j;
    return MINUTE_MS; /* the purge is not urgent */
}

static const struct repeated_job_ops ops = {
    .make = make_purge,
    .work = do_purge,
    .done = on_purged,
    .busy = on_busy,
};

struct housekeeping *housekeeping_new(const struct housekeeping_options *o)
{
    struct housekeeping *h = xcalloc(1, sizeof(*h));

    h->o = *o;
    h->o.period_ms = get_or_default(o->period_ms, HOUR_MS);
    h->o.event_days = get_or_default(o->event_days, 30);
    h->o.max_events = get_or_default(o->max_events, 1000000);
    h->o.audit_days = get_or_default(o->audit_days, HOUSEKEEPING_AUDIT_DAYS);
    if (!h->o.utc_ms)
        h->o.utc_ms = time_utc_ms;
    repeated_job_start(&h->job, o->loop, o->store_jobs, &ops,
                       get_or_default(o->first_after_ms, MINUTE_MS));
    return h;
}

void housekeeping_free(struct housekeeping *h)
{
    if (!h)
        return;
    repeated_job_stop(&h->job);
    free(h);
}
