#include "server/common/job.h"
#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define BATCH 64 /* done functions called per turn of the loop */

struct job_item {
    struct list link; /* on job_queue.waiting, then on no list while it runs, then on .finished */
    void *job;
    job_fn work; /* NULL for deferred calls, which are counted separately */
    job_fn done;
};

struct job_queue {
    struct loop *loop;
    unsigned max_jobs;
    unsigned n_jobs, n_deferred; /* pending: done() is still to come */

    struct loop_io finished_io;
    int finished_fd; /* eventfd: readable while something is on .finished */
    pthread_t *threads;
    unsigned n_threads;

    pthread_mutex_t lock; /* protects the members below */
    pthread_cond_t is_wanted;
    struct list waiting, finished;
    bool is_closing;
};

static void add_finished(struct job_queue *q, struct job_item *item)
{
    const uint64_t one = 1;

    list_append(&q->finished, &item->link);
    /* A write fails only when the counter is full; then the descriptor is readable already. */
    if (write(q->finished_fd, &one, sizeof(one)) < 0)
        log_debug(NULL, "eventfd: %s", error_text(-errno));
}

/* Returns the next item to run, or NULL when the thread must exit. */
static struct job_item *await_item(struct job_queue *q)
{
    while (list_empty(&q->waiting) && !q->is_closing)
        (void)pthread_cond_wait(&q->is_wanted, &q->lock);
    if (list_empty(&q->waiting))
        return NULL;
    return CONTAINER_OF(list_take_first(&q->waiting), struct job_item, link);
}

static void *worker_main(void *arg)
{
    struct job_queue *q = arg;
    struct job_item *item;

    (void)pthread_mutex_lock(&q->lock);
    while ((item = await_item(q))) {
        (void)pthread_mutex_unlock(&q->lock);
        item->work(item->job);
        (void)pthread_mutex_lock(&q->lock);
        add_finished(q, item);
    }
    (void)pthread_mutex_unlock(&q->lock);
    return NULL;
}

static void take_finished(struct job_queue *q, struct list *batch)
{
    uint64_t count;

    (void)pthread_mutex_lock(&q->lock);
    for (unsigned n = 0; n < BATCH && !list_empty(&q->finished); n++)
        list_append(batch, list_take_first(&q->finished));
    if (list_empty(&q->finished) && read(q->finished_fd, &count, sizeof(count)) < 0) {
        /* Otherwise the descriptor stays readable, and the loop calls again. */
        log_debug(NULL, "eventfd: %s", error_text(-errno));
    }
    (void)pthread_mutex_unlock(&q->lock);
}

static void on_finished(struct loop_io *io, _unused_ uint32_t events)
{
    struct job_queue *q = CONTAINER_OF(io, struct job_queue, finished_io);
    struct list batch;

    list_init(&batch);
    take_finished(q, &batch);
    while (!list_empty(&batch)) {
        struct job_item *item = CONTAINER_OF(list_take_first(&batch), struct job_item, link);

        *(item->work ? &q->n_jobs : &q->n_deferred) -= 1;
        item->done(item->job); /* may free the queue, if it was the last one */
        free(item);
    }
}

/* Signals are handled by the loop: block all of them in the workers. */
static int start_threads(struct job_queue *q, unsigned n)
{
    sigset_t all, old;
    int r = 0;

    q->threads = xcalloc(n, sizeof(*q->threads));
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    while (r == 0 && q->n_threads < n) {
        r = pthread_create(&q->threads[q->n_threads], NULL, worker_main, q);
        q->n_threads += r == 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -r;
}

struct job_queue *job_queue_new(struct loop *loop, unsigned max_parallel, unsigned max_waiting)
{
    struct job_queue *q = xcalloc(1, sizeof(*q));

    assert(max_parallel > 0);
    q->loop = loop;
    q->max_jobs = max_parallel + max_waiting;
    list_init(&q->waiting);
    list_init(&q->finished);
    (void)pthread_mutex_init(&q->lock, NULL); /* these two cannot fail on Linux */
    (void)pthread_cond_init(&q->is_wanted, NULL);
    q->finished_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (q->finished_fd < 0 ||
        loop_io_start(loop, &q->finished_io, q->finished_fd, EPOLLIN, on_finished) < 0 ||
        start_threads(q, max_parallel) < 0) {
        job_queue_free(q);
        return NULL;
    }
    return q;
}

void job_queue_free(struct job_queue *q)
{
    if (!q)
        return;
    assert(job_queue_pending(q) == 0);
    (void)pthread_mutex_lock(&q->lock);
    q->is_closing = true;
    (void)pthread_cond_broadcast(&q->is_wanted);
    (void)pthread_mutex_unlock(&q->lock);
    while (q->n_threads > 0)
        (void)pthread_join(q->threads[--q->n_threads], NULL);
    loop_io_stop(&q->finished_io);
    closep(&q->finished_fd);
    (void)pthread_cond_destroy(&q->is_wanted);
    (void)pthread_mutex_destroy(&q->lock);
    free(q->threads);
    free(q);
}

unsigned job_queue_pending(const struct job_queue *q)
{
    return q->n_jobs + q->n_deferred;
}

void job_queue_drain(struct job_queue *q)
{
    while (job_queue_pending(q) > 0)
        loop_turn(q->loop);
}

void job_queues_drain(struct job_queue *a, struct job_queue *b)
{
    while (job_queue_pending(a) > 0 || job_queue_pending(b) > 0) {
        job_queue_drain(a);
        job_queue_drain(b);
    }
}

static struct job_item *item_new(void *job, job_fn work, job_fn done)
{
    struct job_item *item = xcalloc(1, sizeof(*item));

    list_init(&item->link);
    item->job = job;
    item->work = work;
    item->done = done;
    return item;
}

int job_submit(struct job_queue *q, void *job, job_fn work, job_fn done)
{
    struct job_item *item;

    assert(work && done);
    if (q->n_jobs >= q->max_jobs)
        return -ENOBUFS;
    item = item_new(job, work, done);
    q->n_jobs++;
    (void)pthread_mutex_lock(&q->lock);
    list_append(&q->waiting, &item->link);
    (void)pthread_cond_signal(&q->is_wanted);
    (void)pthread_mutex_unlock(&q->lock);
    return 0;
}

void job_defer(struct job_queue *q, void *job, job_fn done)
{
    struct job_item *item = item_new(job, NULL, done);

    q->n_deferred++;
    (void)pthread_mutex_lock(&q->lock);
    add_finished(q, item);
    (void)pthread_mutex_unlock(&q->lock);
}
