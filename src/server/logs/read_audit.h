#pragma once

/*
 * Audit rows for logs: which user has read the log of which container. A user who continues to
 * read, or asks again, gets one row in ten minutes. Lives on the loop.
 */

#include "base/set.h"
#include "server/common/job.h"
#include "server/store/store.h"

struct log_read_audit {
    struct db *store;
    struct job_queue *store_jobs;
    uint64_t (*clock_ms)(void);
    struct set known; /* readers with a row since `since_ms` */
    uint64_t since_ms;
};

#define LOG_READ_AUDIT_PERIOD_MS (UINT64_C(10) * 60 * 1000)
#define LOG_READ_AUDIT_MAX       4096 /* remembered readers; then all are forgotten */

void log_read_audit_init(struct log_read_audit *a, struct db *store, struct job_queue *store_jobs);
void log_read_audit_done(struct log_read_audit *a);

/* Call when a user begins to read. `target` is HOST/CONTAINER, by name; texts are copied. */
void log_read_audit_add(struct log_read_audit *a,
                        const char *who,
                        const char *peer,
                        const char *target);
