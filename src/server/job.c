#include "server/job.h"
#include "base/alloc.h"
#include "base/list.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

struct job_item {
    struct list link; /* on job_queue.waiting until it runs */
    uv_work_t req;
    struct job_queue *queue;
    void *job;
    job_fn work; /* NULL: deferred, counted apart */
    job_fn done;
};

struct job_queue {
    uv_loop_t *loop;
    struct list waiting;
    unsigned max_parallel, max_waiting;
    unsigned n_running, n_waiting, n_deferred;
};

struct job_queue *job_queue_new(uv_loop_t *loop, unsigned max_parallel, unsigned max_waiting)
{
    struct job_queue *q = xcalloc(1, sizeof(*q));

    assert(max_parallel > 0);
    q->loop = loop;
    q->max_parallel = max_parallel;
    q->max_waiting = max_waiting;
    list_init(&q->waiting);
    return q;
}

void job_queue_free(struct job_queue *q)
{
    if (!q)
        return;
    assert(job_queue_pending(q) == 0);
    free(q);
}

unsigned job_queue_pending(const struct job_queue *q)
{
    return q->n_running + q->n_waiting + q->n_deferred;
}

void job_queue_drain(struct job_queue *q)
{
    while (job_queue_pending(q) > 0)
        (void)uv_run(q->loop, UV_RUN_ONCE); /* returns how many handles live: of no interest here */
}

static void on_work(uv_work_t *req)
{
    struct job_item *item = CONTAINER_OF(req, struct job_item, req);

    if (item->work)
        item->work(item->job);
}

static void queue_run(struct job_queue *q);

static void on_done(uv_work_t *req, _unused_ int status)
{
    struct job_item *item = CONTAINER_OF(req, struct job_item, req);
    struct job_queue *q = item->queue;

    /* The next one starts first: a done function that submits goes behind those who wait already. */
    *(item->work ? &q->n_running : &q->n_deferred) -= 1;
    queue_run(q);
    item->done(item->job);
    free(item);
}

static void item_start(struct job_item *item)
{
    int r = uv_queue_work(item->queue->loop, &item->req, on_work, on_done);

    assert(r == 0); /* fails only without a work function */
    (void)r;
}

static void queue_run(struct job_queue *q)
{
    while (q->n_running < q->max_parallel && !list_empty(&q->waiting)) {
        struct job_item *item = CONTAINER_OF(q->waiting.next, struct job_item, link);

        list_unlink(&item->link);
        q->n_waiting--;
        q->n_running++;
        item_start(item);
    }
}

static struct job_item *item_new(struct job_queue *q, void *job, job_fn work, job_fn done)
{
    struct job_item *item = xcalloc(1, sizeof(*item));

    list_init(&item->link);
    item->queue = q;
    item->job = job;
    item->work = work;
    item->done = done;
    return item;
}

int job_submit(struct job_queue *q, void *job, job_fn work, job_fn done)
{
    struct job_item *item;

    assert(work && done);
    if (q->n_running >= q->max_parallel && q->n_waiting >= q->max_waiting)
        return -ENOBUFS;
    item = item_new(q, job, work, done);
    list_append(&q->waiting, &item->link);
    q->n_waiting++;
    queue_run(q);
    return 0;
}

void job_defer(struct job_queue *q, void *job, job_fn done)
{
    struct job_item *item = item_new(q, job, NULL, done);

    q->n_deferred++;
    item_start(item);
}
