#pragma once

/*
 * Who has read which container's log, for the audit log. Who goes on reading, or asks again and again, is told of once
 * in ten minutes. Lives on the loop.
 */

#include "base/map.h"
#include "server/common/job.h"
#include "server/store/store.h"

struct log_readings {
    struct db *store;
    struct job_queue *store_jobs;
    uint64_t (*clock_ms)(void);
    struct map told; /* since then */
    uint64_t since_ms;
};

#define LOG_READINGS_PERIOD_MS (UINT64_C(10) * 60 * 1000)
#define LOG_READINGS_MAX       4096 /* remembered; then all are told anew */

void log_readings_init(struct log_readings *r, struct db *store, struct job_queue *store_jobs);
void log_readings_done(struct log_readings *r);

/* When a reading begins. `target` is HOST/CONTAINER, by name; texts are copied. */
void log_readings_add(struct log_readings *r,
                      const char *who,
                      const char *peer,
                      const char *target);
