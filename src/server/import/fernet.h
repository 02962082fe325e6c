#pragma once

/*
 * Fernet, the form in which DockMon seals credentials: a token is base64url of a version, a time, the
 * initial vector of AES-128-CBC, the encrypted text and an HMAC-SHA256 of all of that. The key is
 * base64url of 16 bytes for the HMAC and 16 for AES.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

#define FERNET_MAX_TOKEN ((size_t)64 * 1024) /* bytes */

struct fernet_key {
    unsigned char sign[16], encrypt[16];
};

/* Reads a file with the key and at most white space after it. -EINVAL: it is not a key. */
int fernet_key_read(struct fernet_key *ret, const char *path, struct error *err) _nodiscard_;
void fernet_key_done(struct fernet_key *key); /* overwrites it */

/* Whether the text begins as each token of this century and the next ones. */
bool fernet_is_token(const char *text);
/* Verifies and decrypts the token. The text is NUL-terminated, to be freed with secret_free(). NULL:
 * the token was made with another key, or is damaged. */
char *fernet_open(const struct fernet_key *key, const char *token) _nodiscard_;
