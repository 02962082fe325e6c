#pragma once

/*
 * The key with which this server signs the programs of agents that it hands out, in a file of its
 * own in the data directory. Agents pin its public half, so the file belongs to a backup.
 */

#include "base/error.h"
#include "proto/release.h"

#define RELEASE_KEY_FILE "release.key" /* in the data directory */

struct release_key {
    unsigned char secret[RELEASE_SECRET_SIZE];
    char *public; /* base64 */
};

/* Reads the key, or makes one. The caller ends with release_key_free(). */
int release_key_open(struct release_key **ret, const char *data_dir, struct error *err) _nodiscard_;
void release_key_free(struct release_key *k); /* wipes the secret */
DEFINE_CLEANUP(struct release_key *, release_key_free);
