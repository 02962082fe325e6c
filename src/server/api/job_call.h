#pragma once

/*
 * A store job of an API call: `work` runs on the worker with the store, fills `result` or `err`; `done`
 * answers on the loop. Arguments are copied into the job before, so the worker touches nothing shared.
 */

#include "server/api/call.h"

#define API_JOB_ARGS 8

struct api_job {
    struct db *store;
    struct api_call *call;
    char *args[API_JOB_ARGS]; /* owned text arguments; meaning is the handler's */
    int64_t numbers[API_JOB_ARGS];
    struct identity who;
    int code; /* of work */
    struct error err;
    json_t *result; /* made by work, taken by done */
    int (*work)(struct api_job *job);
    /* answers job->call; NULL: 200 with result, or the failure */
    void (*done)(struct api_job *job);
};

struct api_job *api_job_new(struct api_call *call,
                            int (*work)(struct api_job *),
                            void (*done)(struct api_job *));
/* Submits; answers 503 by itself when the queue is full. The call must not be touched afterwards. */
void api_job_start(struct api_job *job);
/* The default end: the failure of work, or 200 with its result. */
/* For a job that was never started. */
void api_job_free(struct api_job *job);
void api_job_answer(struct api_job *job);
