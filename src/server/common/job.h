#pragma once

/*
 * Jobs: slow work (SQLite, argon2, large JSON) on worker threads.
 *
 * A job is a struct of its caller that owns all its input. `work` runs on a worker and touches
 * nothing else; `done` runs on the loop and frees the job. Each queue has its own threads. Their
 * number is the number of jobs that may run in parallel: 1 keeps the jobs in order, as the store
 * needs it. The number of waiting jobs is bounded.
 *
 * A job cannot be cancelled: `done` runs even if the object that submitted it was freed. Therefore
 *
 *   - a job names that object by an id, which `done` looks up (sessions); or
 *   - the object points to its job, and sets the job's `owner` to NULL when it is freed
 *     (repeated_job.h, the flows of auth); or
 *   - the object drains the queue before it is freed (history, api, ingest).
 */

#include "base/error.h"
#include "net/loop.h"

struct job_queue;
typedef void (*job_fn)(void *job);

/* Starts the threads. Returns NULL when they cannot be started. The loop must outlive the queue. */
struct job_queue *job_queue_new(struct loop *loop, unsigned max_parallel, unsigned max_waiting);
void job_queue_free(struct job_queue *q); /* the queue must be idle: see job_queue_drain() */

/* Turns the loop until the queue is idle, including jobs submitted by done(). At shutdown only. */
void job_queue_drain(struct job_queue *q);
/* The same for two queues whose jobs submit to each other. */
void job_queues_drain(struct job_queue *a, struct job_queue *b);
unsigned job_queue_pending(const struct job_queue *q); /* jobs whose done() is still to come */

/*
 * Submits a job. Returns -ENOBUFS when max_parallel + max_waiting jobs are pending; then neither
 * function is called and the caller keeps the job. Waiting jobs run before a job that a done()
 * submits.
 */
int job_submit(struct job_queue *q, void *job, job_fn work, job_fn done) _nodiscard_;

/* Calls done() in a later turn of the loop, without work() and not subject to the limits. A request
 * that fails immediately uses it to keep the rule that it never finishes before its start has
 * returned. */
void job_defer(struct job_queue *q, void *job, job_fn done);
