#pragma once

/*
 * The updates of containers, of all hosts: the model that the API shows. Lives on the loop.
 *
 * Agents with the capability `updates` have a journal of each update and send it as a record; the
 * newest record of an update replaces the one before. Of agents of DockMon, which send only
 * progress, the record is made here. Both kinds end in the table `updates`, in the event log and
 * in the feed.
 *
 *   begun      the server has asked for it; the agent has sent nothing yet. Not stored
 *   foreign    of an agent without journals, or begun: fails when it lasts longer than
 *              UPDATES_FOREIGN_MS
 *   active     its state is `running`: there is at most one for each container
 *   waiter     a caller that is notified once when an update is not active any more
 *
 * Ownership: the model owns its updates. Callers hold no pointer across callbacks, only ids. A
 * waiter is a member of its owner, which removes it before it is freed.
 */

#include "base/list.h"
#include "base/listeners.h"
#include "net/loop.h"
#include "proto/update.h"
#include "server/common/job.h"
#include "server/fleet/fleet.h"
#include "server/registry/checker.h"
#include "server/session/session.h"
#include "server/sqlite/db.h"

#define UPDATES_MAX_PER_HOST 500
#define UPDATES_MAX_ACTIVE   64 /* of the whole server */
#define UPDATES_FOREIGN_MS   (UINT64_C(30) * 60 * 1000)

struct updates;

struct update {
    char *host_id;
    char *triggered_by; /* name of the user, or NULL */
    struct update_record record;
    char *message;  /* of the newest progress, or NULL */
    json_t *layers; /* the newest update_layer_progress, or NULL */
    bool is_foreign;
    uint64_t begun_ms; /* monotonic */
    struct list waiters;
};

struct updates_options {
    struct loop *loop;
    struct fleet *fleet;
    struct sessions *sessions;
    const struct checker *checker; /* has the credentials of registries */
    struct db *store;
    struct job_queue *store_jobs;
};

/* Reads the stored updates; call before the loop runs. */
int updates_open(struct updates **ret, const struct updates_options *o, struct error *err)
    _nodiscard_;
/* Takes no more events of agents, and notifies all waiters, with NULL. */
void updates_stop(struct updates *u);
void updates_close(struct updates *u);

struct updates_listener {
    struct listener base;
    /* Its record has changed. */
    void (*on_change)(struct updates_listener *l, const struct update *up);
};

void updates_add_listener(struct updates *u, struct updates_listener *l);
void updates_remove_listener(struct updates_listener *l); /* harmless if it was not added */

struct updates_start {
    const struct fleet_host *host;
    const struct fleet_container *container;
    const struct update_args *args; /* without container_id and update_id */
    const char *triggered_by;
    const char *update_id; /* not in use yet; NULL: a new one */
    /* The agent has started the update, or refused it; not called after a failure to ask. */
    void (*done)(void *owner, const char *update_id, const struct command_result *r);
    void *owner;
};

/*
 * Reserves the container, and asks the agent for the update. Failures: CODE_UPDATE_IN_PROGRESS
 * names the active one; CODE_TOO_MANY_UPDATES; CODE_OWN_CONTAINER.
 */
int updates_ask(struct updates *u, const struct updates_start *s, struct error *err) _nodiscard_;

/* NULL: there is none. `container_id` may be the one before or after the update, 12 or 64 digits. */
const struct update *updates_find(const struct updates *u,
                                  const char *host_id,
                                  const char *update_id);
const struct update *updates_find_active(const struct updates *u,
                                         const char *host_id,
                                         const char *container_id);
/* The newest update of a container that can be rolled back. */
const struct update *updates_find_kept(const struct updates *u,
                                       const char *host_id,
                                       const char *container_id);

typedef void (*updates_fn)(void *arg, const struct update *update);
void updates_each(const struct updates *u, updates_fn fn, void *arg); /* in no order */

struct update_waiter {
    struct list link;
    /* The update is not active any more, and is not being rolled back; NULL: its
     * host was deleted or went offline, or the server stops. */
    void (*done)(struct update_waiter *w, const struct update *update);
};

/* Waits for an active update. */
void updates_wait(struct updates *u,
                  const char *host_id,
                  const char *update_id,
                  struct update_waiter *w);
