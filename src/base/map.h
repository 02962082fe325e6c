#pragma once

/*
 * Hash map from strings to pointers. It copies keys and does not own values, which the caller
 * frees. The caller provides the struct; a zeroed one is an empty map. The caller limits data that
 * a peer can grow. Keys are hashed with a random seed per process.
 */

#include "base/macros.h"
#include <stddef.h>
#include <stdint.h>

struct map_entry {
    char *key;
    void *value;
    uint64_t hash;
};

struct map {
    struct map_entry *entries; /* open addressing; key NULL: free */
    size_t capacity;           /* 0 or a power of two */
    size_t size;
};

void map_done(struct map *m); /* frees keys, not values */

void *map_find(const struct map *m, const char *key); /* NULL when absent */
void *map_put(struct map *m,
              const char *key,
              void *value);                       /* returns the value it replaced, or NULL */
void *map_remove(struct map *m, const char *key); /* returns the value, or NULL */

/*
 * Speeds up searches of keys in the same order, as those of batches: it stores the entry of the key
 * at each place. A zeroed struct is empty. Changes of the map are harmless: each hit is compared.
 */
struct map_order {
    uint32_t *entries; /* indices into those of the map */
    size_t n;
};

void map_order_done(struct map_order *o);
/* The same as map_find(). `place` is the number of the key, from 0; the caller limits it. */
void *map_find_at(const struct map *m, struct map_order *o, size_t place, const char *key);

/* Walks all entries in no particular order; the map must not change meanwhile. */
struct map_entry *map_next(const struct map *m,
                           const struct map_entry *after); /* NULL: first / no more */

#define map_foreach(m, e) for (struct map_entry *e = map_next((m), NULL); e; e = map_next((m), e))
