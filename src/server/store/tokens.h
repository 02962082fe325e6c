#pragma once

/*
 * tokens: registration tokens, stored as hashes. Only this module names the table `registration_tokens`.
 */

#include "server/store/store.h"
#include <stdbool.h>
#include <stdint.h>

#define TOKEN_LIFETIME_MS (INT64_C(15) * 60 * 1000)

/* A new UUID4 token, to be freed; it expires at now_ms + TOKEN_LIFETIME_MS. created_by: user id or NULL. */
int tokens_create(struct db *s,
                  const char *created_by,
                  bool is_multi_use,
                  int64_t now_ms,
                  char **ret_token,
                  struct error *err) _nodiscard_;

enum token_verdict { TOKEN_OK, TOKEN_UNKNOWN, TOKEN_EXPIRED, TOKEN_USED };
/* Takes one use of the token; call it inside the transaction that registers the agent. */
int tokens_consume(struct db *s,
                   const char *token,
                   int64_t now_ms,
                   enum token_verdict *ret,
                   struct error *err) _nodiscard_;
/* Whether the token is known and has not expired, used up or not. 1, 0 or a failure. */
int tokens_is_alive(struct db *s, const char *token, int64_t now_ms, struct error *err) _nodiscard_;
int tokens_purge(struct db *s, int64_t now_ms, struct error *err)
    _nodiscard_; /* those expired for a day */
