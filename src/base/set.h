#pragma once

/*
 * Set of strings, on top of base/map.h and with its rules: keys are copied, a zeroed struct is an empty set,
 * and data that a peer can grow needs a limit of its caller.
 */

#include "base/map.h"
#include <stdbool.h>

struct set {
    struct map map; /* values mean nothing */
};

static inline void set_done(struct set *s)
{
    map_done(&s->map);
}

/* False: it was there already. */
static inline bool set_add(struct set *s, const char *key)
{
    static char present;

    return !map_put(&s->map, key, &present);
}

/* False: it was not there. */
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

/* Walks all entries in no particular order; `e->key` is the string. The set must not change meanwhile. */
#define set_foreach(s, e) map_foreach(&(s)->map, e)
