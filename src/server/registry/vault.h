#pragma once

/*
 * Seals the passwords of registries at rest: XChaCha20-Poly1305 with a key in a file of its own in
 * the data directory. The database, its backups and their copies have only sealed texts, which are
 * worthless without that file; after a restore into another directory they are entered again. The
 * name of the registry is authenticated with the text, so that a row cannot be moved to another one.
 */

#include "base/error.h"
#include <stdint.h>

#define VAULT_FILE     "registries.key" /* in the data directory */
#define VAULT_KEY_SIZE 32

struct vault {
    unsigned char key[VAULT_KEY_SIZE];
};

/* Reads the key, or makes one. The caller ends with vault_close(). */
int vault_open(struct vault *ret, const char *data_dir, struct error *err) _nodiscard_;
void vault_close(struct vault *v); /* wipes the key */

/* Returns base64 text, to be freed. */
char *vault_seal(const struct vault *v, const char *name, const char *secret) _nodiscard_;
/* The caller frees *ret with secret_free(). -EKEYREJECTED: sealed with another key, or for another name. */
int vault_unseal(const struct vault *v,
                 const char *name,
                 const char *sealed,
                 char **ret,
                 struct error *err) _nodiscard_;
