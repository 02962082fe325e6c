#include "server/maintenance/housekeeping.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"
#include "server/store/audit.h"
#include "server/store/events.h"
#include "server/store/tokens.h"
#include "server/store/user_sessions.h"

#define NEXT_BITE_MS 50

struct purge_job {
    struct housekeeping *owner; /* NULL: it went away meanwhile */
    struct db *store;
    int64_t now_ms, events_before_ms, audit_before_ms, max_events;
    bool is_more;
    int code;
    struct error err;
};

struct housekeeping {
    struct housekeeping_options o;
    struct loop_timer timer; /* runs unless a job is under way */
    struct purge_job *job;   /* under way */
};

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value ? value : fallback;
}

static void purge_work(void *arg)
{
    struct purge_job *job = arg;

    job->code = tokens_purge(job->store, job->now_ms, &job->err);
    if (job->code == 0)
        job->code = user_sessions_purge(job->store, job->now_ms, &job->err);
    if (job->code == 0)
        job->code = audit_purge(job->store, job->audit_before_ms, &job->err);
    if (job->code == 0) {
        job->code = events_purge(job->store, job->events_before_ms, job->max_events, &job->is_more,
                                 &job->err);
    }
}

static void on_timer(struct loop_timer *t);

static void wait_for(struct housekeeping *h, uint64_t delay_ms)
{
    loop_timer_start(h->o.loop, &h->timer, delay_ms, on_timer);
}

static void purge_done(void *arg)
{
    struct purge_job *job = arg;
    struct housekeeping *h = job->owner;

    if (job->code < 0)
        log_error(NULL, "old rows cannot be deleted: %s", job->err.msg);
    if (h) {
        h->job = NULL;
        wait_for(h, job->code == 0 && job->is_more ? NEXT_BITE_MS : h->o.period_ms);
    }
    free(job);
}

static void on_timer(struct loop_timer *t)
{
    struct housekeeping *h = CONTAINER_OF(t, struct housekeeping, timer);
    struct purge_job *job = xcalloc(1, sizeof(*job));

    job->owner = h;
    job->store = h->o.store;
    job->now_ms = h->o.utc_ms();
    job->events_before_ms = job->now_ms - (int64_t)(h->o.event_days * DAY_MS);
    job->audit_before_ms = job->now_ms - (int64_t)(h->o.audit_days * DAY_MS);
    job->max_events = (int64_t)h->o.max_events;
    if (job_submit(h->o.store_jobs, job, purge_work, purge_done) < 0) {
        free(job); /* the store is busy: there is no hurry */
        wait_for(h, MINUTE_MS);
        return;
    }
    h->job = job;
}

struct housekeeping *housekeeping_new(const struct housekeeping_options *o)
{
    struct housekeeping *h = xcalloc(1, sizeof(*h));

    h->o = *o;
    h->o.period_ms = or_default(o->period_ms, HOUR_MS);
    h->o.event_days = or_default(o->event_days, 30);
    h->o.max_events = or_default(o->max_events, 1000000);
    h->o.audit_days = or_default(o->audit_days, 365);
    if (!h->o.utc_ms)
        h->o.utc_ms = time_utc_ms;
    wait_for(h, or_default(o->first_after_ms, MINUTE_MS));
    return h;
}

void housekeeping_free(struct housekeeping *h)
{
    if (!h)
        return;
    loop_timer_stop(&h->timer);
    if (h->job)
        h->job->owner = NULL;
    free(h);
}
