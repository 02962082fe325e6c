#pragma once

/*
 * The decision whether an agent may join, and as whom: everything that a valid register message can
 * lead to, in one store transaction. Knows no sockets; runs in store jobs only.
 *
 * Permanent tokens are random secrets of which only the hash is stored. Agents of a migrated DockMon
 * database have none yet and come with their id: they are sent a secret, and their id stays good until
 * they come back with it, so that a lost answer locks nobody out (session/agent_token.h).
 *
 * An answer to a registration can be lost, too. Until the permanent token is known to have arrived, the same
 * registration token lets the same engine in once more, for as long as that token lives.
 */

#include "proto/register.h"
#include "server/store/agents.h"
#include "server/store/hosts.h"
#include "server/store/store.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct registration {
    struct host host;
    struct agent agent;
    char *permanent_token;          /* what auth_success carries */
    bool is_new;                    /* registered just now, not reconnected */
    bool is_repeated;               /* registered once more: the first answer was lost */
    bool can_inventory, can_replay; /* of the agent, this time */
    bool can_samples;
    int64_t events_since;              /* engine time (ns) of the newest stored event, 0: none */
    char *migrated_id, *migrated_name; /* the host that this one replaces, or NULL */
    json_t *candidates;                /* several such hosts: [{"host_id", "host_name"}], or NULL */
};

void registration_done(struct registration *r);

/*
 * -EACCES: refused, `err` holds the text for auth_error and nothing has changed, not even the token's use
 * count. Other failures are ours, and their text is not for the peer.
 */
int registration_run(struct db *s,
                     const struct msg_register *m,
                     uint64_t max_agents,
                     int64_t now_ms,
                     struct registration *ret,
                     struct error *err) _nodiscard_;
