#include "server/api/record.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"
#include "server/store/events.h"

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
        log_error(NULL, "an event could not be stored: %s", job->err.msg);
    job_free(job);
}

void record_event(struct db *store, struct job_queue *store_jobs, const struct event *event)
{
    struct record_job *job = xcalloc(1, sizeof(*job));

    job->store = store;
    job->event = *event;
    if (job_submit(store_jobs, job, on_work, on_done) < 0) {
        log_warn(LOG_FIELDS("title", job->event.title),
                 "event not stored: the store queue is full");
        job_free(job);
    }
}

void record_operation(const struct api_call *call, const struct record_operation *o)
{
    const char *name = o->container_name ? o->container_name : o->container_id;
    const struct event event = {
        .at_ms = time_utc_ms(),
        .category = xstrdup("container"),
        .type = xstrdup("container_action"),
        .severity = xstrdup(o->error ? "error" : "info"),
        .host_id = o->host ? xstrdup(o->host->row.id) : NULL,
        .host_name = o->host ? xstrdup(o->host->row.name) : NULL,
        .container_id = xstrndup(o->container_id, 12),
        .container_name = xstrdup(name),
        .title = xasprintf("%s %s", o->action, name),
        .message = o->error ? xasprintf("%s failed: %s", o->action, o->error)
                            : xasprintf("%s succeeded in %ju ms", o->action, (uintmax_t)o->took_ms),
        .triggered_by = xstrdup(call->who.name),
    };
    record_event(call->api->o.store, call->api->o.store_jobs, &event);
}
