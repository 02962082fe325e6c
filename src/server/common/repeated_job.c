#include "server/common/repeated_job.h"
#include "base/alloc.h"

struct repeated_run {
    struct repeated_job *job; /* NULL: it was stopped */
    const struct repeated_job_ops *ops;
    void *input;
};

static void run_free(struct repeated_run *run)
{
    free(run->input);
    free(run);
}

static void on_timer(struct loop_timer *t);

static void wait_for(struct repeated_job *j, uint64_t delay_ms)
{
    loop_timer_start(j->loop, &j->timer, delay_ms, on_timer);
}

static void work(void *arg)
{
    struct repeated_run *run = arg;

    run->ops->work(run->input);
}

static void done(void *arg)
{
    struct repeated_run *run = arg;
    struct repeated_job *j = run->job;
    uint64_t delay_ms;

    if (j)
        j->run = NULL;
    delay_ms = run->ops->done(j, run->input);
    if (j)
        wait_for(j, delay_ms);
    run_free(run);
}

static void on_timer(struct loop_timer *t)
{
    struct repeated_job *j = CONTAINER_OF(t, struct repeated_job, timer);
    struct repeated_run *run = xcalloc(1, sizeof(*run));

    *run = (struct repeated_run){.job = j, .ops = j->ops, .input = j->ops->make(j)};
    if (job_submit(j->queue, run, work, done) < 0) {
        run_free(run);
        wait_for(j, j->ops->busy(j));
        return;
    }
    j->run = run;
}

void repeated_job_start(struct repeated_job *j,
                        struct loop *loop,
                        struct job_queue *queue,
                        const struct repeated_job_ops *ops,
                        uint64_t first_after_ms)
{
    *j = (struct repeated_job){.loop = loop, .queue = queue, .ops = ops};
    wait_for(j, first_after_ms);
}

void repeated_job_stop(struct repeated_job *j)
{
    loop_timer_stop(&j->timer);
    if (j->run)
        j->run->job = NULL;
    j->run = NULL;
}
