#pragma once

/*
 * Health: whether the server can do its work, and if not, why. The database's state is what its jobs
 * met (db_state()); a small write every 15 s, every 2 s while it is broken, keeps that true when
 * nobody else writes, and notices recovery. Every change is logged once. Lives on the loop.
 */

#include "server/common/job.h"
#include "server/fleet/fleet.h"
#include "server/history/history.h"
#include "server/store/store.h"
#include <jansson.h>
#include <stdbool.h>

struct health;

struct health_options {
    struct loop *loop;
    struct db *store;
    struct job_queue *store_jobs;
    const struct fleet *fleet;
    const struct history *history;        /* NULL: none is kept */
    unsigned max_waiting;                 /* of store_jobs */
    uint64_t period_ms, broken_period_ms; /* 0: 15 s and 2 s */
};

struct health *health_new(const struct health_options *o);
void health_free(struct health *h); /* before store_jobs is drained */

/* The word for 0 or the code of a failure. */
const char *health_state_name(int state);
/* The same of the history, or "starting". */
const char *health_history_name(const struct history_state *s);

uint64_t health_uptime_ms(const struct health *h);

bool health_is_serving(const struct health *h); /* the database works: /health says 200 */

/*
 * For GET /health, which anybody may read: {"status": "healthy"|"degraded", "service", "version",
 * "uptime_seconds", "components": {"database": {"status", "since"}, "store_queue": {"status", "waiting"},
 * "agents": {"online", "total"}, "history": {"status", "dropped", "damaged"}}}. The database and the history are ok,
 * disk_full, read_only, locked, damaged or failing, the history can be off, too.
 */
json_t *health_json(const struct health *h);
/* One line for the service manager. */
void health_describe(const struct health *h, char *ret, size_t capacity);
