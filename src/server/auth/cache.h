#pragma once

/*
 * Cache of identities by the hash of the secret that proves them. Entries expire after a few
 * seconds, so that changes by another process are noticed. The cache is bounded, and drops the
 * oldest entries first.
 */

#include "server/auth/auth.h"

#define IDENTITY_KEY_SIZE 67 /* kind ('s' session, 'k' API key), ':', 64 hex digits, NUL */

struct identity_cache;

/* Entries are returned for lifetime_ms; at most max_entries are kept. */
struct identity_cache *identity_cache_new(uint64_t lifetime_ms, size_t max_entries);
void identity_cache_free(struct identity_cache *c);

/* Returns NULL when the key is unknown or expired. The result is valid until the next call. */
const struct identity *identity_cache_find(struct identity_cache *c,
                                           const char *key,
                                           uint64_t now_ms);
/* Stores a copy of `who`, replacing the entry of the key. */
void identity_cache_put(struct identity_cache *c,
                        const char *key,
                        const struct identity *who,
                        uint64_t now_ms);
/* Removes the entry of the key, if there is one. */
void identity_cache_remove(struct identity_cache *c, const char *key);
/* Returns the number of entries, expired ones included. */
size_t identity_cache_size(const struct identity_cache *c);
