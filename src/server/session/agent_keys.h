#pragma once

/*
 * The tokens that are valid now, of all agents, by their hashes: an index in memory of what
 * agent_token_find() accepts. Doors that must answer at once (the statistics channel of Go agents)
 * ask it. Only sessions_set_tokens() changes it, after every store job that changes a token.
 */

#include "base/map.h"

struct agent_keys {
    struct map agents; /* hash of a token -> agent id, owned */
    struct map hashes; /* agent id -> its hashes, separated by blanks, owned */
};

void agent_keys_done(struct agent_keys *k);
/* Replaces the agent's tokens by these hashes, separated by blanks; NULL or "": none. */
void agent_keys_set(struct agent_keys *k, const char *agent_id, const char *hashes);
/* Returns the agent that the token with this hash belongs to, or NULL. Valid until a change. */
const char *agent_keys_find(const struct agent_keys *k, const char *hash);
