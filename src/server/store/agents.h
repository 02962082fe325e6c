#pragma once

/*
 * Table agents: one row per agent, 1:1 with its host. Only this module names the table. The
 * secret token is random and stored as a hash only; agents migrated from DockMon authenticate
 * with their id (token_hash NULL) until they have a token. session/agent_token.h explains the
 * prefixes of the hash.
 */

#include "server/store/store.h"
#include <stdbool.h>
#include <stdint.h>

struct agent {
    char *id; /* UUID; not a secret */
    char *host_id;
    char *engine_id;  /* unique where force_unique is 0 */
    char *token_hash; /* hex, NULL: legacy agent whose token is its id */
    char *version, *proto_version;
    char *capabilities; /* JSON object */
    char *os, *arch;    /* GOOS, GOARCH names; may be NULL */
    bool force_unique;
    /* Hash of registration token and hostname; NULL once the permanent token has arrived. */
    char *joined_with;
    int64_t last_seen_at_ms, registered_at_ms;
};

void agent_done(struct agent *a);

#define AGENTS_DEFAULT_MAX 20000

/* -EEXIST: the engine id, host or token is in use; -EDQUOT: there are `max` agents already. */
int agents_insert(struct db *s, const struct agent *a, uint64_t max, struct error *err) _nodiscard_;
/* Updates all columns of the row with this id. */
int agents_update(struct db *s, const struct agent *a, struct error *err) _nodiscard_;
/* Fill *ret, which the caller frees with agent_done(). -ENOENT. */
int agents_get(struct db *s, const char *id, struct agent *ret, struct error *err) _nodiscard_;
int agents_get_by_token_hash(struct db *s,
                             const char *token_hash,
                             struct agent *ret,
                             struct error *err) _nodiscard_;
/* Finds only agents without force_unique. */
int agents_get_by_engine(struct db *s, const char *engine_id, struct agent *ret, struct error *err)
    _nodiscard_;
int agents_get_by_host(struct db *s, const char *host_id, struct agent *ret, struct error *err)
    _nodiscard_;
/*
 * Clears joined_with: the agent has received the token with this hash. Does nothing if it has
 * another.
 */
int agents_set_arrived(struct db *s, const char *id, const char *token_hash, struct error *err)
    _nodiscard_;
int agents_touch(struct db *s, const char *id, int64_t seen_at_ms, struct error *err) _nodiscard_;

typedef void (*agents_row_fn)(void *arg, const struct agent *a);
int agents_each(struct db *s, agents_row_fn fn, void *arg, struct error *err) _nodiscard_;
