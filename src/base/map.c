#include "base/map.h"
#include "base/alloc.h"
#include "base/hash.h"
#include "base/random.h"

#include <stdatomic.h>
#include <string.h>

#define MIN_CAPACITY 16

/* FNV-1a over a random start: not cryptographic, but collisions cannot be prepared offline. */
static uint64_t hash_key(const char *key)
{
    static _Atomic uint64_t seed; /* jobs on the worker pool use maps, too */
    uint64_t h = seed, none = 0;

    while (h == 0) {
        random_bytes(&h, sizeof(h));
        if (!atomic_compare_exchange_strong(&seed, &none, h))
            h = none;
    }
    h = hash_bytes(h, key, strlen(key));
    return h ^ h >> 32;
}

/* Returns the entry of `key`, or the free one for it. The table is never full. */
static struct map_entry *slot(const struct map *m, const char *key, uint64_t hash)
{
    for (size_t i = (size_t)hash & (m->capacity - 1);; i = (i + 1) & (m->capacity - 1)) {
        struct map_entry *e = &m->entries[i];

        if (!e->key || (e->hash == hash && strcmp(e->key, key) == 0))
            return e;
    }
}

static void grow(struct map *m)
{
    struct map old = *m;

    m->capacity = old.capacity ? old.capacity * 2 : MIN_CAPACITY;
    m->entries = xcalloc(m->capacity, sizeof(*m->entries));
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.entries[i].key)
            *slot(m, old.entries[i].key, old.entries[i].hash) = old.entries[i];
    }
    free(old.entries);
}

void map_done(struct map *m)
{
    for (size_t i = 0; i < m->capacity; i++)
        free(m->entries[i].key);
    free(m->entries);
    *m = (struct map){0};
}

void *map_find(const struct map *m, const char *key)
{
    struct map_entry *e;

    if (m->size == 0)
        return NULL;
    e = slot(m, key, hash_key(key));
    return e->key ? e->value : NULL;
}

void map_order_done(struct map_order *o)
{
    free(o->entries);
    *o = (struct map_order){0};
}

void *map_find_at(const struct map *m, struct map_order *o, size_t place, const char *key)
{
    struct map_entry *e;
    size_t n = o->n;

    if (m->size == 0)
        return NULL;
    if (place < n && o->entries[place] < m->capacity) {
        e = &m->entries[o->entries[place]];
        if (e->key && strcmp(e->key, key) == 0)
            return e->value;
    }
    e = slot(m, key, hash_key(key));
    if (!e->key)
        return NULL;
    if (place >= n) {
        o->n = (place + 1) * 5 / 4;
        o->entries = xrealloc(o->entries, o->n, sizeof(*o->entries));
        memset(o->entries + n, 0, (o->n - n) * sizeof(*o->entries));
    }
    o->entries[place] = (uint32_t)(e - m->entries);
    return e->value;
}

void *map_put(struct map *m, const char *key, void *value)
{
    struct map_entry *e;
    uint64_t hash = hash_key(key);
    void *old;

    if ((m->size + 1) * 4 > m->capacity * 3)
        grow(m);
    e = slot(m, key, hash);
    old = e->value;
    if (!e->key) {
        *e = (struct map_entry){.key = xstrdup(key), .hash = hash};
        m->size++;
    }
    e->value = value;
    return old;
}

/* Backward-shift deletion: later entries of the same run move up, so no tombstones are needed. */
static void close_gap(struct map *m, size_t gap)
{
    size_t mask = m->capacity - 1;

    for (size_t i = (gap + 1) & mask; m->entries[i].key; i = (i + 1) & mask) {
        size_t home = (size_t)m->entries[i].hash & mask;

        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->entries[gap] = m->entries[i];
            m->entries[i] = (struct map_entry){0};
            gap = i;
        }
    }
}

void *map_remove(struct map *m, const char *key)
{
    struct map_entry *e;
    void *value;

    if (m->size == 0)
        return NULL;
    e = slot(m, key, hash_key(key));
    if (!e->key)
        return NULL;
    value = e->value;
    free(e->key);
    *e = (struct map_entry){0};
    m->size--;
    close_gap(m, (size_t)(e - m->entries));
    return value;
}

struct map_entry *map_next(const struct map *m, const struct map_entry *after)
{
    for (size_t i = after ? (size_t)(after - m->entries) + 1 : 0; i < m->capacity; i++) {
        if (m->entries[i].key)
            return &m->entries[i];
    }
    return NULL;
}
