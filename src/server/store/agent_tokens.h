#pragma once

/*
 * agent_tokens: permanent tokens, as hashes, that were sent to agents which have one already and of which we do
 * not know yet whether they have arrived. Beside the one in `agents`, each of them lets its agent in. Only this
 * module names the table.
 */

#include "server/store/store.h"
#include <stdint.h>

/* Of one agent. One more, and the oldest goes: an agent holds the newest that it could write down, or none. */
#define AGENT_TOKENS_MAX 4

int agent_tokens_add(struct db *s,
                     const char *agent_id,
                     const char *token_hash,
                     int64_t now_ms,
                     struct error *err) _nodiscard_;
/* Whose it is, to be freed; -ENOENT. */
int agent_tokens_find(struct db *s, const char *token_hash, char **ret_agent_id, struct error *err)
    _nodiscard_;
/* It has arrived: it and those that were sent before it go. Those sent after it stay. */
int agent_tokens_settle(struct db *s,
                        const char *agent_id,
                        const char *token_hash,
                        struct error *err) _nodiscard_;
int agent_tokens_clear(struct db *s, const char *agent_id, struct error *err) _nodiscard_;
