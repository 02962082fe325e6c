#pragma once

/*
 * Set of strings, based on base/map.h with the same rules: keys are copied, a zeroed struct is an
 * empty set, and the caller limits data that a peer can grow.
 */

#include "base/map.h"
#include <stdbool.h>

struct set {
    struct map map; /* values have no meaning */
};

static inline void set_done(struct set *s)
{
    map_done(&s->map);
}

/* False: a duplicate. */
static inline bool set_add(struct set *s, const char *key)
{
    static char present;

    return !map_put(&s->map, key, &present);
}

/* False: not found. */
static inline bool set_remove(struct set *s, const char *key)
{
    return map_remove(&s->map, key) != NULL;
}

static inline bool set_has(const struct set *s, const char *key)
{
    return map_find(&s->map, key) != NULL;
}

static inline size_t set_size(const struct set *s)
{
    return s->map.size;
}

/* Iterates in no particular order; `e->key` is the string. The set must not change meanwhile. */
#define set_foreach(s, e) map_foreach(&(s)->map, e)
