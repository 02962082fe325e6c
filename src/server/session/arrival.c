#include "server/session/session_internal.h"

#include "base/alloc.h"
#include "base/log.h"

/* Records the arrival in the store, so that the registration token is refused from now on. */
struct arrival_job {
    struct db *store;
    char *agent_id, *token_hash;
    int code;
    struct error err;
};

static void arrival_work(void *owner)
{
    struct arrival_job *job = owner;

    job->code = agents_set_arrived(job->store, job->agent_id, job->token_hash, &job->err);
}

static void arrival_free(struct arrival_job *job)
{
    free(job->agent_id);
    free(job->token_hash);
    free(job);
}

static void arrival_done(void *owner)
{
    struct arrival_job *job = owner;

    if (job->code < 0) {
        log_warn(
            LOG_FIELDS("agent", job->agent_id),
            "could not invalidate the agent's registration token, which remains valid until it "
            "expires: %s",
            job->err.msg);
    }
    arrival_free(job);
}

void session_note_arrival(struct session *se)
{
    struct arrival_job *job;

    if (!se->unproven_hash)
        return;

    job = xcalloc(1, sizeof(*job));
    job->store = se->owner->o.store;
    job->agent_id = xstrdup(se->agent_id);
    job->token_hash = xstrdup(se->unproven_hash);
    job->err = ERROR_INIT;
    if (job_submit(se->owner->o.store_jobs, job, arrival_work, arrival_done) < 0) {
        arrival_free(job); /* the agent's next message tries again */
        return;
    }
    free(se->unproven_hash);
    se->unproven_hash = NULL;
}
