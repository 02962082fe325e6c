#pragma once

/*
 * The key that seals the token file: 32 bytes derived from a secret outside of the data directory,
 * so that a copy of the directory (such as a leaked backup) does not reveal the token. The secret
 * has exactly one source: the file TOKEN_KEY_FILE, the Docker secret, or the systemd credential
 * dockmon_token_key.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

#define TOKEN_KEY_SIZE   32
#define TOKEN_KEY_SECRET "/run/secrets/dockmon_token_key"
#define TOKEN_KEY_NAME   "dockmon_token_key" /* in $CREDENTIALS_DIRECTORY */

struct token_key {
    bool is_set;
    char *source; /* path of the file with the secret */
    unsigned char bytes[TOKEN_KEY_SIZE];
};

struct token_key_places {
    const char *file;        /* TOKEN_KEY_FILE; NULL: not given */
    const char *credentials; /* CREDENTIALS_DIRECTORY of systemd; NULL: unset */
    const char *root;        /* "", or in tests the directory used as / */
};

/*
 * Searches all places and derives the key. Without a secret in any of them it stays unset, and 0 is
 * returned. -EEXIST: two places have a secret. -ENOENT: TOKEN_KEY_FILE does not exist. -EBADMSG:
 * the secret is shorter than 32 bytes. A line break at the end of the secret is not part of it.
 * Call token_key_done() after success.
 */
int token_key_find(struct token_key *ret, const struct token_key_places *places, struct error *err)
    _nodiscard_;

/*
 * Derives the key: a `secret` of 32 bytes is the key itself, a longer one is hashed with BLAKE2b.
 * -EBADMSG: it is shorter.
 */
int token_key_make(struct token_key *ret,
                   const char *secret,
                   size_t size,
                   const char *source,
                   struct error *err) _nodiscard_;
void token_key_done(struct token_key *k); /* wipes it */
