#pragma once

/*
 * The self-update of the agent. Lives as long as the process.
 *
 *   IDLE --begin--> FETCHING --program complete and checked--> LEAVING --> the process ends
 *    ^ ^                |
 *    | '----failure-----'
 *    '---accepted by the server--- TRIAL <-- start of the new program
 *
 * dockmon-agent-launch starts the program after that, counts its tries, and puts the one before it
 * back when it was not accepted by the server after three of them (docs/adr/0021-self-update.md). A
 * program on trial that is not accepted in time ends itself, which counts as a failed try.
 *
 * The record is on disk from the beginning. The process that finds one of an update in progress is
 * either the new program, which is on trial then, or the one before it: the update has failed, and
 * the record says why. Each session sends the newest record.
 */

#include "agent/config/config.h"
#include "base/listeners.h"
#include "net/loop.h"
#include "proto/self_update.h"

struct self_update;

struct self_update_listener {
    struct listener base;
    void (*on_change)(struct self_update_listener *l, const struct self_update_record *r);
};

struct self_update_options {
    struct loop *loop;
    const struct config *config; /* outlives the self-update */
    const char *launch_dir;      /* where the launcher looks; copied; NULL: there is no launcher */
    const char *own_container;   /* id; NULL or "": none */
    /* Ends the process so that the launcher starts a program again; is_failure: the exit status is not 0. */
    void (*leave)(void *owner, bool is_failure);
    void *owner;
};

struct self_update *self_update_new(const struct self_update_options *o);
void self_update_free(struct self_update *su); /* NULL is fine */

void self_update_start(struct self_update *su); /* reads the record; call it once */

void self_update_add_listener(struct self_update *su, struct self_update_listener *l);
void self_update_remove_listener(struct self_update_listener *l); /* harmless if not added */
/* NULL: there is none. */
const struct self_update_record *self_update_record(const struct self_update *su);

/*
 * Begins an update. CODE_UPDATE_REFUSED: there is no launcher, or the description is not for this
 * agent; CODE_UPDATE_IN_PROGRESS.
 */
int self_update_begin(struct self_update *su,
                      const struct self_update_args *args,
                      struct error *err) _nodiscard_;

/* The server has accepted this agent, with the permanent token (copied). */
void self_update_on_accepted(struct self_update *su, const char *token);
/* The token was replaced; copied. */
void self_update_set_token(struct self_update *su, const char *token);
/* Why an attempt to connect has failed: the reason of a trial that fails. */
void self_update_note_trouble(struct self_update *su, const char *text);
