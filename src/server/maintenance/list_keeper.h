#pragma once

/*
 * Stores the last known list of containers of each host, so that a host that is offline when the
 * server starts still shows its containers, with their age. Lives on the loop.
 *
 * The list of a host is written when the host is offline; while it is online, when it has
 * changed, every few minutes; and when the server ends. Each host is a job and a transaction of its
 * own. A crash of the server costs the changes of the last minutes, which the agent sends again.
 */

#include "net/loop.h"
#include "server/common/job.h"
#include "server/fleet/fleet.h"
#include "server/store/store.h"
#include <stdint.h>

struct list_keeper;

struct list_keeper_options {
    struct loop *loop;
    struct job_queue *store_jobs;
    struct db *store;
    struct fleet *fleet;
    uint64_t period_ms;      /* between searches for a list to write; 0: a second */
    uint64_t online_ms;      /* between two writes of a host that is online; 0: five minutes */
    int64_t (*utc_ms)(void); /* NULL: time_utc_ms */
};

/* Restores the stored lists; rows that cannot be read are left out with a warning. */
int list_keeper_load(struct db *store, struct fleet *f, struct error *err) _nodiscard_;

/* Starts the timer. Everything in the options is borrowed. */
struct list_keeper *list_keeper_new(const struct list_keeper_options *o);
/* Stops the timer. A job in progress finishes by itself. Accepts NULL. */
void list_keeper_stop(struct list_keeper *k);
/*
 * Writes the lists that are not stored yet, if the keeper was stopped and its jobs have ended, and
 * frees the keeper. Accepts NULL.
 */
void list_keeper_free(struct list_keeper *k);
