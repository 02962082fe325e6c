#pragma once

/*
 * The permanent token of an agent, as the store holds it.
 *
 *   unconfirmed --use--> proven --rotate--> proven, and further tokens --use of one--> proven
 *        \_________________|__________________________|
 *                          '--revoke--> revoked --registration token--> proven
 *
 * The store has only hashes. `agents.token_hash` is the SHA-256 of the token in hex, after a
 * prefix that is the state:
 *
 *   (none)        proven: the agent has used the token, or got it with a registration
 *   unconfirmed:  issued to an agent of a migrated database, which has not used it yet; until then
 *                 the agent's id is accepted as its token: a lost answer must not lock it out
 *   revoked:      refused; the agent's host remains, and a registration token lets it join again
 *
 * Tokens issued by a rotation are rows of `agent_tokens` until one of them is used or confirmed:
 * the agent may have received any of them, so all are accepted. The one used becomes
 * `token_hash`, and it and the older ones are deleted.
 *
 * All functions run in store jobs. Tokens in clear are freed with secret_free(), which erases them.
 */

#include "server/store/agents.h"
#include <stdbool.h>
#include <stdint.h>

#define AGENT_TOKEN_PROVEN      ""
#define AGENT_TOKEN_UNCONFIRMED "unconfirmed:"
#define AGENT_TOKEN_REVOKED     "revoked:"

char *agent_token_hash(const char *token, const char *prefix); /* the caller frees it */
bool agent_token_is_unproven(const struct agent *a); /* true: its id is accepted as a token */
bool agent_token_is_revoked(const struct agent *a);

/*
 * Finds the agent that a token belongs to. In *ret the token is proven; the caller writes that to
 * the store. *ret_is_legacy: the token is the id of an agent that has no proven token. -ENOENT:
 * unknown; -EACCES: revoked.
 */
int agent_token_find(struct db *s,
                     const char *token,
                     struct agent *ret,
                     bool *ret_is_legacy,
                     struct error *err) _nodiscard_;

/*
 * Sets *ret to the hashes of all tokens that agent_token_find() accepts for the agent, separated
 * by blanks; to be freed.
 */
int agent_token_list(struct db *s, const struct agent *a, char **ret, struct error *err)
    _nodiscard_;
/* The same for the agent of this id. */
int agent_token_list_of(struct db *s, const char *agent_id, char **ret, struct error *err)
    _nodiscard_;

/*
 * Issues a further token; those that the agent has remain valid until it uses or confirms the new
 * one. The caller frees it with secret_free(). -EBUSY: the agent's token is revoked.
 */
int agent_token_rotate(struct db *s,
                       const char *agent_id,
                       int64_t now_ms,
                       char **ret_token,
                       struct error *err) _nodiscard_;
/*
 * The agent has received this token, so its older ones become invalid. Does nothing when the
 * token has been used meanwhile, or a later one.
 */
int agent_token_confirm(struct db *s, const char *token, struct error *err) _nodiscard_;
/* Makes all tokens of the agent invalid. */
int agent_token_revoke(struct db *s, const char *agent_id, struct error *err) _nodiscard_;
