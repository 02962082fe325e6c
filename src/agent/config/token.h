#pragma once

/*
 * The permanent token, with which an agent that has registered before authenticates. It is stored
 * in one file in the data directory, mode 0600, written atomically: as plain text, or sealed
 * (encrypted and authenticated) when there is a key. Messages never contain a token.
 *
 * A sealed file consists of the line "{dockmon-sealed-token-1}\n", a nonce of 24 bytes, and the
 * token in libsodium's secretbox (XSalsa20 and Poly1305) under that nonce and the key. No valid
 * token begins with a brace, so a truncated sealed file is never taken for a token.
 */

#include "agent/config/token_key.h"
#include "base/error.h"
#include <stdbool.h>

#define TOKEN_MAX      255
#define TOKEN_EXPECTED "1 to 255 characters of A-Z a-z 0-9 _ - :"

bool token_is_valid(const char *token); /* has 1 to TOKEN_MAX allowed characters */

struct token_file {
    const char *path;
    const struct token_key *key; /* NULL or unset: new tokens are stored as text */
};

/*
 * Reads the token; the caller frees it with token_free(). -ENOENT: the file is missing or empty;
 * -ENOKEY: it is sealed, and there is no key; -EKEYREJECTED: it is sealed with another key, or
 * damaged; -EBADMSG: it is neither sealed nor a token. `ret_is_sealed` may be NULL.
 */
int token_load(const struct token_file *f, char **ret, bool *ret_is_sealed, struct error *err)
    _nodiscard_;

/* Writes the token, sealed if there is a key. The text of `err` includes advice. */
int token_save(const struct token_file *f, const char *token, struct error *err) _nodiscard_;

/*
 * Whether a failure of token_load() must end the start. Registering again would overwrite a token
 * that the right key still opens.
 */
bool token_is_fatal(const struct token_file *f, int code);

void token_free(char *token); /* wipes it first; NULL is fine */
DEFINE_CLEANUP(char *, token_free);
