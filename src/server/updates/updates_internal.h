#pragma once

/*
 * Shared by the files of updates/ and included by no other file: the model (updates.c), what agents
 * send (update_inbound.c), and requests to agents (update_start.c).
 */

#include "base/map.h"
#include "base/random.h"
#include "server/fleet/fleet_listener.h"
#include "server/updates/update_events.h"

#define UPDATE_KEY_SIZE  (UUID_TEXT_SIZE * 2 + 64)
#define UPDATE_REQUESTED "requested" /* the step before the agent sends one */

struct updates {
    struct updates_options o;
    struct map all;    /* "HOST/UPDATE" -> struct update */
    struct map online; /* ids of hosts; the values mean nothing */
    struct sessions_listener sessions;
    struct fleet_listener fleet;
    struct listeners listeners;
    struct loop_timer sweep;
};

struct update_subject {
    const char *id, *name, *image;
    const char *new_image; /* "" or NULL: the same */
};

void updates_make_key(char ret[UPDATE_KEY_SIZE], const char *host_id, const char *update_id);
enum update_state updates_state_of(const struct update *up);
/* Takes the contents of `r`. */
struct update *updates_add(struct updates *u, const char *host_id, struct update_record *r);
/* Notifies the waiters, with NULL, and frees the update. */
void updates_remove(struct updates *u, struct update *up);
void updates_notify_waiters(struct update *up, const struct update *result);
void updates_store(const struct updates *u, const struct update *up);
/* Returns the newest update of the container in a state, or NULL. */
struct update *updates_find_in_state(const struct updates *u,
                                     const char *host_id,
                                     const char *container_id,
                                     enum update_state state);
/* Makes room for another update of the host: removes the oldest one that has ended. */
bool updates_make_room(struct updates *u, const char *host_id);
/* The record of an update about which its agent has sent nothing yet. */
void updates_fill_record(struct update_record *r,
                         const struct update_subject *s,
                         const char *update_id);

/* update_inbound.c */
/* Ends an update about which its agent will not say more. */
void updates_end(struct updates *u, struct update *up, enum update_state state, const char *why);
void updates_on_event(struct sessions_listener *l,
                      const char *agent_id,
                      const char *name,
                      const json_t *payload);

/* update_verify.c */
void updates_on_host(struct fleet_listener *l, const struct fleet_host *h);
