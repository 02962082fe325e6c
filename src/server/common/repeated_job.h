#pragma once

/*
 * A job that repeats for as long as its owner lives, with a delay between the end of a run and the
 * next one. The owner embeds it, and recovers itself with CONTAINER_OF().
 *
 *   WAITING --timer--> queued, running --done--> WAITING
 *      '----- queue full: busy() ----'
 *
 * repeated_job_stop() may be called at any time. A run in progress then finishes by itself: the
 * queue, and everything that `work` uses, must outlive it; the owner need not.
 */

#include "net/loop.h"
#include "server/common/job.h"

struct repeated_job;

struct repeated_job_ops {
    /* Allocates the input of a run, which is released with free(). */
    void *(*make)(struct repeated_job *j);
    void (*work)(void *run); /* on a worker: may access only its run */
    /* On the loop. Returns the delay in ms before the next run. `j` is NULL after a stop. */
    uint64_t (*done)(struct repeated_job *j, void *run);
    /* The queue is full: the run is skipped. Returns the delay in ms before the next attempt. */
    uint64_t (*busy)(struct repeated_job *j);
};

struct repeated_job {
    struct loop *loop;
    struct job_queue *queue;
    const struct repeated_job_ops *ops;
    struct loop_timer timer;  /* runs unless a job is in progress */
    struct repeated_run *run; /* in progress, or NULL */
};

/* Starts the timer of the first run. `ops` is static; loop and queue are borrowed. */
void repeated_job_start(struct repeated_job *j,
                        struct loop *loop,
                        struct job_queue *queue,
                        const struct repeated_job_ops *ops,
                        uint64_t first_after_ms);
/* Stops the timer and detaches a run in progress. Call before the owner is freed. */
void repeated_job_stop(struct repeated_job *j);
