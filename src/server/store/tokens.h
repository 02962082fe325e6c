#pragma once

/*
 * Table registration_tokens: tokens with which agents register, stored as hashes. Only this
 * module names the table.
 */

#include "server/store/store.h"
#include <stdbool.h>
#include <stdint.h>

#define TOKEN_LIFETIME_MS (INT64_C(15) * 60 * 1000)

/*
 * Creates a UUID4 token that expires at now_ms + TOKEN_LIFETIME_MS; the caller frees it.
 * created_by: a user id, or NULL.
 */
int tokens_create(struct db *s,
                  const char *created_by,
                  bool is_multi_use,
                  int64_t now_ms,
                  char **ret_token,
                  struct error *err) _nodiscard_;

/*
 * The same for one agent that takes the place of this host's agent. `host` is its id or name;
 * *ret_name, to be freed, its name. -ENOENT: no such host; -EINVAL: it has no agent.
 */
struct token_replacing {
    const char *created_by, *host;
    int64_t now_ms;
};
int tokens_create_replacing(struct db *s,
                            const struct token_replacing *o,
                            char **ret_token,
                            char **ret_name,
                            struct error *err) _nodiscard_;
/*
 * Sets *ret_host_id, to be freed, to the host that the token was made for; NULL: none, or the
 * token is unknown.
 */
int tokens_get_replaced(struct db *s, const char *token, char **ret_host_id, struct error *err)
    _nodiscard_;

enum token_verdict { TOKEN_OK, TOKEN_UNKNOWN, TOKEN_EXPIRED, TOKEN_USED };
/* Counts one use of the token. Call it inside the transaction that registers the agent. */
int tokens_consume(struct db *s,
                   const char *token,
                   int64_t now_ms,
                   enum token_verdict *ret,
                   struct error *err) _nodiscard_;
/*
 * Returns 1 if the token is known and has not expired, even if it is used up; else 0, or a
 * failure.
 */
int tokens_is_alive(struct db *s, const char *token, int64_t now_ms, struct error *err) _nodiscard_;
/* Deletes tokens that expired more than a day ago. */
int tokens_purge(struct db *s, int64_t now_ms, struct error *err) _nodiscard_;
