#pragma once

/*
 * A job that is repeated for as long as its owner lives, with a delay between one run and the next. Its
 * owner embeds it and recovers itself with CONTAINER_OF().
 *
 *   WAITING --timer--> queued, running --done--> WAITING
 *      '----- queue full: busy() ----'
 *
 * repeated_job_stop() may come at any time. A run under way then finishes by itself: queue, and what
 * `work` uses, must outlive it. The owner need not.
 */

#include "net/loop.h"
#include "server/common/job.h"

struct repeated_job;

struct repeated_job_ops {
    /* Makes the input of a run: plain memory, released with free(). */
    void *(*make)(struct repeated_job *j);
    void (*work)(void *run); /* on a worker: touches nothing but its run */
    /* On the loop; returns the delay in ms before the next run. `j` is NULL after a stop. */
    uint64_t (*done)(struct repeated_job *j, void *run);
    /* The queue is full: the run is left out. Returns the delay before the next attempt. */
    uint64_t (*busy)(struct repeated_job *j);
};

struct repeated_job {
    struct loop *loop;
    struct job_queue *queue;
    const struct repeated_job_ops *ops;
    struct loop_timer timer;  /* runs unless a job is under way */
    struct repeated_run *run; /* under way, or NULL */
};

void repeated_job_start(struct repeated_job *j,
                        struct loop *loop,
                        struct job_queue *queue,
                        const struct repeated_job_ops *ops,
                        uint64_t first_after_ms);
void repeated_job_stop(struct repeated_job *j);
