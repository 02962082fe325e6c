#include "server/api/job_call.h"
#include "base/alloc.h"
#include "server/store/secret.h"

#include <errno.h>

struct api_job *api_job_new(struct api_call *call,
                            int (*work)(struct api_job *),
                            void (*done)(struct api_job *))
{
    struct api_job *job = xcalloc(1, sizeof(*job));

    job->store = call->api->o.store;
    job->call = call;
    job->who = call->who;
    job->work = work;
    job->done = done ? done : api_job_answer;
    return job;
}

void api_job_free(struct api_job *job)
{
    for (size_t i = 0; i < API_JOB_ARGS; i++)
        secret_free(job->args[i]); /* some are tokens */
    json_decref(job->result);
    free(job);
}

static void on_work(void *arg)
{
    struct api_job *job = arg;

    job->code = job->work(job);
}

static void on_done(void *arg)
{
    struct api_job *job = arg;

    job->done(job);
    api_job_free(job);
}

void api_job_start(struct api_job *job)
{
    if (job_submit(job->call->api->o.store_jobs, job, on_work, on_done) == 0)
        return;
    api_fail_default(job->call, CODE_BUSY);
    api_job_free(job);
}

void api_job_answer(struct api_job *job)
{
    if (job->code < 0) {
        job->err.code = job->code;
        api_fail_error(job->call, &job->err);
    } else {
        api_reply(job->call, 200, TAKE_PTR(job->result));
    }
}
