#pragma once

/*
 * Health: whether the server can do its work, and if not, why. Lives on the loop.
 *
 * The state of the database is the outcome of the latest job (db_state()). A probe, a small write
 * every 15 s, or every 2 s while the database fails, keeps it current when no job writes, and
 * detects recovery. Each change of state is logged once.
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
    const struct history *history;        /* NULL: disabled */
    unsigned max_waiting;                 /* of store_jobs */
    uint64_t period_ms, broken_period_ms; /* 0: 15 s and 2 s */
};

/* Starts the probes. Everything in the options is borrowed. */
struct health *health_new(const struct health_options *o);
void health_free(struct health *h); /* call before draining store_jobs */

/* Returns the name of a state: 0 or the code of a failure. */
const char *health_state_name(int state);
/* The same for the history, or "starting". */
const char *health_history_name(const struct history_state *s);

/* Returns the time since health_new(). */
uint64_t health_uptime_ms(const struct health *h);
int64_t health_started_at_ms(const struct health *h); /* the time of health_new() */

bool health_is_serving(const struct health *h); /* the database works: /health responds with 200 */

/*
 * The body of GET /health for users and this machine: {"status": "healthy"|"degraded",
 * "service", "version", "uptime_seconds", "components": {"database": {"status", "since"},
 * "store_queue": {"status", "waiting"}, "agents": {"online", "total"}, "history": {"status",
 * "dropped", "damaged"}}}. The status of database and history is ok, disk_full, read_only, locked,
 * damaged or failing; that of the history can also be off.
 */
json_t *health_json(const struct health *h);
/* The body for everybody else: {"status", "service"}. */
json_t *health_summary_json(const struct health *h);
/* Writes one line for the service manager. */
void health_describe(const struct health *h, char *ret, size_t capacity);
