#pragma once

/*
 * Decides whether an agent may join, and as which agent: one call runs everything that a valid
 * register message can lead to, in one store transaction. Knows no sockets; runs in store jobs
 * only.
 *
 *   token of the message
 *     a permanent token         -> reconnect: the agent and its host are updated; another engine
 *                                  id than before is stored, too
 *     an id of a legacy agent   -> reconnect, and issue a permanent token (agent_token.h)
 *     a registration token for a known host
 *                               -> replace: the agent takes the place of the host's former one
 *     another registration token
 *       the engine's agent was revoked, or its first answer may be lost
 *                               -> rejoin: the former agent and host get a new permanent token
 *       one remote host has the engine
 *                               -> register, and migrate that host (migration.h)
 *       otherwise               -> register a new agent and a new host; if several remote hosts
 *                                  have the engine, they are candidates for a migration
 *     anything else             -> refused
 *
 * The answer to a registration can be lost. Until a message of the agent shows that it has
 * received the permanent token (arrival.c), the same registration token lets the same engine
 * register again, while that token is valid; this does not use it up a second time.
 *
 * A refusal rolls the transaction back, so that it does not even count as a use of the token.
 *
 *   permanent token     a random secret per agent; the store has only its hash
 *   registration token  created by a user, for one or several agents, with an expiry
 *   legacy agent        one of a migrated DockMon database; its id is its token until it proves one
 *   candidates          active remote hosts of the same engine, to be migrated on request
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
    char *permanent_token;          /* to be sent in auth_success */
    char *token_hashes;             /* of all valid tokens: agent_token_list() */
    bool is_new;                    /* registered now, not reconnected */
    bool is_repeated;               /* registered again: the first answer was lost */
    bool is_replaced;               /* in the place of the host's former agent */
    bool can_inventory, can_replay; /* capabilities in this message */
    bool can_samples;
    int64_t events_since;              /* engine time (ns) of the newest stored event, 0: none */
    char *former_name;                 /* the host's name before its agent changed it, or NULL */
    char *former_engine;               /* the engine id before it changed, or NULL */
    char *migrated_id, *migrated_name; /* the host that this one replaces, or NULL */
    json_t *candidates;                /* [{"host_id", "host_name"}], or NULL */
};

void registration_done(struct registration *r);

/*
 * Fills *ret, which the caller frees with registration_done(). -EACCES: refused; `err` has the
 * text and code for auth_error. Other failures are the server's, and their text is not sent to
 * the peer. After a failure the store is unchanged.
 */
int registration_run(struct db *s,
                     const struct msg_register *m,
                     uint64_t max_agents,
                     int64_t now_ms,
                     struct registration *ret,
                     struct error *err) _nodiscard_;
