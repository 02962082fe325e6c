#pragma once

/*
 * The transaction that replaces a container by one of another image. docs/updates.md describes it
 * for users.
 *
 *   WAIT -> PREPARE -> CREATE -> CONNECT -> POLICY -> STOP -> LATE_POLICY -> SET_ASIDE -> INSTALL
 *        -> START -> COMMIT
 *
 * The new container is created while the old one runs. The old one is then stopped, renamed and
 * kept, so that a failure, or a user later, can start that very container again:
 *
 *   UNDO_STOP -> UNDO_REMOVE -> UNDO_NAME -> UNDO_POLICY -> UNDO_START -> UNDONE
 *
 * Each step is done for each member (journal_record.h) for which it is not done yet. Whether it is done is
 * a question of what exists (struct member_facts), so any part may be repeated. The record is
 * stored before each act. When the engine stops answering, or the agent was killed, the facts are
 * read again first (update_look.c), and then the update goes on, or is undone: see decide().
 *
 * Ownership: an update owns its record. `ended` is called once for each time that the update runs
 * (update_start(), update_resume(), update_roll_back()), perhaps before those return. Callbacks must
 * not free the update. update_free() leaves the containers as they are.
 */

#include "agent/update/journal.h"
#include "agent/update/pull.h"
#include "docker/engine.h"

struct update;

struct update_options {
    struct engine *engine;     /* outlives the update */
    struct journal *journal;   /* the same */
    struct probes *probes;     /* the same */
    const char *own_container; /* the id of the one that the agent runs in; "" or NULL: none */
    void (*changed)(void *owner, struct update *u); /* a step begins, or the state has changed */
    void (*ended)(void *owner, struct update *u);   /* it does not run any more */
    /* While the image is pulled; NULL: nobody wants to know. */
    void (*pulled)(void *owner, struct update *u, const struct pull_layers *layers);
    /* Config of the image that a container (full id) was created from, by the journal; or NULL. */
    const json_t *(*find_config)(void *owner, const char *container);
    void *owner;
};

/* Takes the record; `auth` (taken, may be NULL) is for the registry and is never stored. */
struct update *update_new(const struct update_options *o, struct journal_record *r, json_t *auth);
void update_free(struct update *u);
DEFINE_CLEANUP(struct update *, update_free);

const struct journal_record *update_get_record(const struct update *u);
bool update_is_running(const struct update *u);
/* Whether it concerns the container, by full id or by name: as old, new or dependent one. */
bool update_concerns(const struct update *u, const char *container);

void update_start(struct update *u);  /* of a new record, with one member */
void update_resume(struct update *u); /* of a record that was running when the agent ended */

/* Begins to undo an update that has ended. -EBUSY: it runs; -ENOENT: nothing is kept. */
int update_roll_back(struct update *u, struct error *err) _nodiscard_;
/* -EBUSY: it is too late. */
int update_cancel(struct update *u, struct error *err) _nodiscard_;

/*
 * Removes the old containers of an update in the state UPDATE_KEPT, and the old image if nothing
 * else needs it. `ended` follows; the state is UPDATE_DONE then, or unchanged if the engine did not
 * answer.
 */
void update_expire(struct update *u);
bool update_is_expiring(const struct update *u);

/* Of an update in the state UPDATE_KEPT: its new container has failed afterwards. */
void update_fail_probation(struct update *u, const char *why);
