#pragma once

/*
 * Identities by the hash of the secret that proved them, for a few seconds each: what another process
 * revokes is noticed when the entry is read anew. Bounded; forgets what was stored longest ago.
 */

#include "server/auth/auth.h"

#define IDENTITY_KEY_SIZE 67 /* kind ('s' session, 'k' API key), ':', 64 hex digits, NUL */

struct identity_cache;

struct identity_cache *identity_cache_new(uint64_t lifetime_ms, size_t max_entries);
void identity_cache_free(struct identity_cache *c);

/* NULL when unknown or too old; the pointer is good until the next call. */
const struct identity *identity_cache_find(struct identity_cache *c,
                                           const char *key,
                                           uint64_t now_ms);
void identity_cache_put(struct identity_cache *c,
                        const char *key,
                        const struct identity *who,
                        uint64_t now_ms);
void identity_cache_remove(struct identity_cache *c, const char *key);
/* All of one user, or all of one API key; the other id is 0. */
void identity_cache_remove_owner(struct identity_cache *c, int64_t user_id, int64_t key_id);
size_t identity_cache_size(const struct identity_cache *c);
