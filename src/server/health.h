#pragma once

/*
 * Health: whether the server can do its work, and if not, why. The database's state is what its jobs
 * met (store_state()); a small write every 15 s, every 2 s while it is broken, keeps that true when
 * nobody else writes, and notices recovery. Every change is logged once. Lives on the loop.
 */

#include "server/fleet/fleet.h"
#include "server/job.h"
#include "server/store/store.h"
#include <jansson.h>
#include <stdbool.h>

struct health;

struct health_options {
    struct loop *loop;
    struct store *store;
    struct job_queue *store_jobs;
    const struct fleet *fleet;
    unsigned max_waiting;                 /* of store_jobs */
    uint64_t period_ms, broken_period_ms; /* 0: 15 s and 2 s */
};

struct health *health_new(const struct health_options *o);
void health_free(struct health *h); /* before store_jobs is drained */

bool health_is_serving(const struct health *h); /* the database works: /health says 200 */

/*
 * For GET /health, which anybody may read: {"status": "healthy"|"degraded", "service", "version",
 * "uptime_seconds", "components": {"database": {"status", "since"}, "store_queue": {"status", "waiting"},
 * "agents": {"online", "total"}}}. The database is ok, disk_full, read_only, locked, damaged or failing.
 */
json_t *health_json(const struct health *h);
/* One line for the service manager. */
void health_describe(const struct health *h, char *ret, size_t capacity);
