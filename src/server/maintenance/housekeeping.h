#pragma once

/*
 * Housekeeping: once an hour, a store job deletes expired registration tokens and sessions, and old
 * events and audit rows. It deletes in small batches, so that other jobs are not delayed. Lives on
 * the loop.
 */

#include "net/loop.h"
#include "server/common/job.h"
#include "server/store/store.h"
#include <stdint.h>

#define HOUSEKEEPING_AUDIT_DAYS 365

struct housekeeping;

struct housekeeping_options {
    struct loop *loop;
    struct job_queue *store_jobs;
    struct db *store;
    uint64_t first_after_ms; /* 0: a minute */
    uint64_t period_ms;      /* 0: an hour */
    uint64_t event_days;     /* age of the oldest events kept; 0: 30 */
    uint64_t max_events;     /* the newest ones are kept; 0: a million */
    uint64_t audit_days;     /* 0: HOUSEKEEPING_AUDIT_DAYS */
    int64_t (*utc_ms)(void); /* NULL: time_utc_ms */
};

/* Starts the timer of the first purge. Everything in the options is borrowed. */
struct housekeeping *housekeeping_new(const struct housekeeping_options *o);
/* A running job finishes by itself: the queue and the store must outlive it. */
void housekeeping_free(struct housekeeping *h);
