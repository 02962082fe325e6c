#include "server/common/audit_log.h"
#include "base/alloc.h"
#include "base/log.h"

struct audit_job {
    struct db *store;
    struct audit_entry entry;
    int code;
    struct error err;
};

static void job_free(struct audit_job *job)
{
    free(job->entry.who);
    free(job->entry.peer);
    free(job->entry.action);
    free(job->entry.target);
    free(job->entry.result);
    free(job);
}

static void on_work(void *arg)
{
    struct audit_job *job = arg;

    job->code = audit_insert(job->store, &job->entry, &job->err);
}

static void on_done(void *arg)
{
    struct audit_job *job = arg;

    if (job->code < 0) {
        log_error(LOG_FIELDS("who", job->entry.who, "action", job->entry.action),
                  "could not store an audit row: %s", job->err.msg);
    }
    job_free(job);
}

void audit_add(struct db *store, struct job_queue *store_jobs, const struct audit_entry *entry)
{
    struct audit_job *job = xcalloc(1, sizeof(*job));

    job->store = store;
    job->entry = *entry;
    if (job_submit(store_jobs, job, on_work, on_done) < 0) {
        log_error(LOG_FIELDS("who", job->entry.who, "action", job->entry.action),
                  "could not store an audit row: the store queue is full");
        job_free(job);
    }
}
