#pragma once

/*
 * An agent's permanent token as the store sees it, and its ways: it is issued, proven by coming back, replaced
 * and revoked. `agents.token_hash` is the SHA-256 of the token, bare or with a word before it:
 *
 *     unconfirmed:  sent to an agent of a migrated database that has not come back with it; its id is good, too
 *     revoked:      refused; the agent's host stays, and a registration token brings it back
 *
 * Tokens of a rotation that may or may not have arrived stand in `agent_tokens` beside it. Everything here runs
 * in store jobs.
 */

#include "server/store/agents.h"
#include <stdbool.h>
#include <stdint.h>

#define AGENT_TOKEN_PROVEN      ""
#define AGENT_TOKEN_UNCONFIRMED "unconfirmed:"
#define AGENT_TOKEN_REVOKED     "revoked:"

char *agent_token_hash(const char *token, const char *prefix); /* to be freed */
bool agent_token_is_unproven(const struct agent *a);           /* its id alone lets it in */
bool agent_token_is_revoked(const struct agent *a);

/*
 * The agent that a token belongs to, now proven: into *ret, not written to the store yet. *ret_is_legacy: the
 * token is the id of one that has not proven a token of its own. -ENOENT: nobody's; -EACCES: it is revoked.
 */
int agent_token_find(struct db *s,
                     const char *token,
                     struct agent *ret,
                     bool *ret_is_legacy,
                     struct error *err) _nodiscard_;

/* A further token for the agent, beside those it has. -EBUSY: it is revoked. To be freed with secret_free(). */
int agent_token_rotate(struct db *s,
                       const char *agent_id,
                       int64_t now_ms,
                       char **ret_token,
                       struct error *err) _nodiscard_;
/* It has arrived there: the ones before it are worth nothing from now on. Nothing when it is settled already. */
int agent_token_confirm(struct db *s, const char *token, struct error *err) _nodiscard_;
/* None of its tokens is good any more. */
int agent_token_revoke(struct db *s, const char *agent_id, struct error *err) _nodiscard_;
