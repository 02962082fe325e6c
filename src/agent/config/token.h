#pragma once

/*
 * The permanent token: what this agent proves with that it has joined before. It lives in one file in
 * the data directory, mode 0600, written atomically: as text, or sealed when there is a key. Tokens never
 * go into messages.
 *
 * A sealed file is the line "{dockmon-sealed-token-1}\n", a nonce of 24 bytes, and the token in libsodium's
 * secretbox (XSalsa20 and Poly1305) under that nonce and the key. No token begins with a brace, so that a
 * sealed file that was cut short is never taken for one.
 */

#include "agent/config/token_key.h"
#include "base/error.h"
#include <stdbool.h>

#define TOKEN_MAX      255
#define TOKEN_EXPECTED "1 to 255 characters of A-Z a-z 0-9 _ - :"

bool token_is_valid(const char *token);

struct token_file {
    const char *path;
    const struct token_key *key; /* NULL or unset: new tokens are kept as text */
};

/*
 * The token, to be freed with token_free(). -ENOENT: no such file, or an empty one; -ENOKEY: it is sealed,
 * and there is no key; -EKEYREJECTED: sealed with another key, or changed since; -EBADMSG: neither sealed nor
 * a token. *ret_is_sealed may be asked for by NULL.
 */
int token_load(const struct token_file *f, char **ret, bool *ret_is_sealed, struct error *err)
    _nodiscard_;

/* err says what to do about it. */
int token_save(const struct token_file *f, const char *token, struct error *err) _nodiscard_;

/* Whether a failure of token_load() must end the start: joining anew would throw away what can be had. */
bool token_is_fatal(const struct token_file *f, int code);

void token_free(char *token); /* wipes it first */
DEFINE_CLEANUP(char *, token_free);
