#include "server/fleet/event_record.h"
#include "base/alloc.h"
#include "base/log.h"
#include "server/fleet/fleet_listener.h"

struct record_job {
    struct fleet *fleet;
    struct db *store;
    struct event event;
    int code;
    struct error err;
};

static void job_free(struct record_job *job)
{
    event_done(&job->event);
    free(job);
}

static void on_work(void *arg)
{
    struct record_job *job = arg;

    job->code = events_insert(job->store, &job->event, &job->event.id, &job->err);
}

static void on_done(void *arg)
{
    struct record_job *job = arg;

    if (job->code < 0)
        log_error(NULL, "could not store an event: %s", job->err.msg);
    if (job->code == 0 && job->event.id > 0)
        fleet_notify_event(job->fleet, &job->event);
    job_free(job);
}

void record_event(struct fleet *fleet,
                  struct db *store,
                  struct job_queue *store_jobs,
                  const struct event *event)
{
    struct record_job *job = xcalloc(1, sizeof(*job));

    job->fleet = fleet;
    job->store = store;
    job->event = *event;
    if (job_submit(store_jobs, job, on_work, on_done) < 0) {
        log_warn(LOG_FIELDS("title", job->event.title),
                 "could not store an event: the store queue is full");
        job_free(job);
    }
}
