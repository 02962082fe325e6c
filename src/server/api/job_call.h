#pragma once

/*
 * A store job of an API call: `work` runs on the worker with the store and sets `result` or `err`;
 * `done` answers the call on the loop. Arguments are copied into the job, so that the worker shares
 * no data.
 */

#include "server/api/call.h"

#define API_JOB_ARGS 16

struct api_job {
    struct db *store;
    struct api_call *call;
    char *args[API_JOB_ARGS]; /* owned, and erased at the end; the handler gives them a meaning */
    int64_t numbers[API_JOB_ARGS];
    struct identity who;
    int code; /* returned by work */
    struct error err;
    json_t *result; /* set by work, taken by done */
    int (*work)(struct api_job *job);
    /* Answers job->call. NULL: api_job_answer(). */
    void (*done)(struct api_job *job);
};

/* Creates a job for the call, whose identity it copies. The caller fills args and numbers. */
struct api_job *api_job_new(struct api_call *call,
                            int (*work)(struct api_job *),
                            void (*done)(struct api_job *));
/* Submits the job, which takes over the call. Answers 503 when the queue is full. */
void api_job_start(struct api_job *job);
/* Frees a job that was not started. */
void api_job_free(struct api_job *job);
/* The default `done`: answers with the failure of `work`, or with 200 and its result. */
void api_job_answer(struct api_job *job);
