#include "server/common/event_record.h"
#include "base/alloc.h"
#include "base/log.h"

struct record_job {
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
    bool is_new;

    job->code = events_insert(job->store, &job->event, &is_new, &job->err);
}

static void on_done(void *arg)
{
    struct record_job *job = arg;

    if (job->code < 0)
        log_error(NULL, "could not store an event: %s", job->err.msg);
    job_free(job);
}

void record_event(struct db *store, struct job_queue *store_jobs, const struct event *event)
{
    struct record_job *job = xcalloc(1, sizeof(*job));

    job->store = store;
    job->event = *event;
    if (job_submit(store_jobs, job, on_work, on_done) < 0) {
        log_warn(LOG_FIELDS("title", job->event.title),
                 "could not store an event: the store queue is full");
        job_free(job);
    }
}
