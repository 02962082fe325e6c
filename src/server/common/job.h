#pragma once

/*
 * Jobs: slow work (SQLite, argon2, large JSON) on worker threads. A job is a struct of its caller that
 * owns all its input; `work` runs on a worker and touches nothing else, `done` runs on the loop and frees
 * it. A queue has threads of its own: as many as its jobs may run side by side (1: they run in order, as
 * the store needs). It also bounds how many wait.
 *
 * A job cannot be cancelled: `done` runs even if the object that submitted it is gone. Therefore a job either
 * names that object by an id, which `done` looks up (sessions); or the object holds its job and sets the
 * job's `owner` to NULL when it is freed (repeated_job.h, the flows of auth); or the object drains the
 * queue before it is freed (history, api, ingest).
 */

#include "base/error.h"
#include "net/loop.h"

struct job_queue;
typedef void (*job_fn)(void *job);

/* Starts the threads; NULL when they cannot be had. The loop must outlive the queue. */
struct job_queue *job_queue_new(struct loop *loop, unsigned max_parallel, unsigned max_waiting);
void job_queue_free(struct job_queue *q); /* the queue must be idle: see job_queue_drain() */

/* Turns the loop until the queue is idle, with what done functions add meanwhile; at shutdown only. */
void job_queue_drain(struct job_queue *q);
/* The same for two queues whose jobs submit to the other one, until both are idle. */
void job_queues_drain(struct job_queue *a, struct job_queue *b);
unsigned job_queue_pending(const struct job_queue *q); /* those whose done has not been called */

/*
 * -ENOBUFS when max_parallel + max_waiting are pending; then neither function is called and the job stays
 * the caller's. Those that wait go before what a done function submits.
 */
int job_submit(struct job_queue *q, void *job, job_fn work, job_fn done) _nodiscard_;

/* Calls done from a later turn of the loop, without work and outside the limits: how a request that
   fails at once still keeps the promise to finish only after its start has returned. */
void job_defer(struct job_queue *q, void *job, job_fn done);
