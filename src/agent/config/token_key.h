#pragma once

/*
 * The key that seals the token file: 32 bytes made of a secret that stands outside of the data directory,
 * so that a copy of the directory (a backup, a stolen volume) lets nobody in. The secret comes from one
 * place only: the file TOKEN_KEY_FILE, the Docker secret or the systemd credential dockmon_token_key.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

#define TOKEN_KEY_SIZE   32
#define TOKEN_KEY_SECRET "/run/secrets/dockmon_token_key"
#define TOKEN_KEY_NAME   "dockmon_token_key" /* in $CREDENTIALS_DIRECTORY */

struct token_key {
    bool is_set;
    char *source; /* path of the file it was made of */
    unsigned char bytes[TOKEN_KEY_SIZE];
};

struct token_key_places {
    const char *file; /* TOKEN_KEY_FILE; NULL: not given */
    const char
        *credentials; /* CREDENTIALS_DIRECTORY; NULL: not started by systemd with credentials */
    const char *root; /* "", or in tests the folder that stands for / */
};

/*
 * Looks into all places and makes the key; nothing in any of them leaves it unset, which is no error.
 * -EEXIST: two places have one. -ENOENT: the file that is named is not there. -EBADMSG: the secret is
 * shorter than 32 bytes. A line break at the end of the secret does not count.
 */
int token_key_find(struct token_key *ret, const struct token_key_places *places, struct error *err)
    _nodiscard_;

/* As it is when `secret` has 32 bytes, else its BLAKE2b hash. -EBADMSG when it is shorter. */
int token_key_make(struct token_key *ret,
                   const char *secret,
                   size_t size,
                   const char *source,
                   struct error *err) _nodiscard_;
void token_key_done(struct token_key *k); /* wipes it */
