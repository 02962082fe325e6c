#pragma once

/*
 * Table agent_tokens: hashes of the permanent tokens that were issued by a rotation and are not
 * confirmed. The agent may have received any of them, so each is accepted beside the token in
 * `agents`. Only this module names the table. See session/agent_token.h.
 */

#include "server/store/store.h"
#include <stdint.h>

/*
 * Per agent. A further token deletes the oldest one: an agent keeps the newest that it has saved.
 */
#define AGENT_TOKENS_MAX 4

int agent_tokens_add(struct db *s,
                     const char *agent_id,
                     const char *token_hash,
                     int64_t now_ms,
                     struct error *err) _nodiscard_;
/* Finds the agent of a token; the caller frees *ret_agent_id. -ENOENT. */
int agent_tokens_find(struct db *s, const char *token_hash, char **ret_agent_id, struct error *err)
    _nodiscard_;
/* Deletes a token that has arrived and the older ones of the agent; newer ones remain. */
int agent_tokens_settle(struct db *s,
                        const char *agent_id,
                        const char *token_hash,
                        struct error *err) _nodiscard_;
typedef void (*agent_tokens_row_fn)(void *arg, const char *agent_id, const char *token_hash);
/* The tokens of one agent, or of all (NULL), oldest first. */
int agent_tokens_each(struct db *s,
                      const char *agent_id,
                      agent_tokens_row_fn fn,
                      void *arg,
                      struct error *err) _nodiscard_;
int agent_tokens_clear(struct db *s, const char *agent_id, struct error *err) _nodiscard_;
