#include "server/auth/cache.h"
#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"
#include "base/str.h"

struct cache_entry {
    struct list link; /* on identity_cache.entries, oldest first */
    char key[IDENTITY_KEY_SIZE];
    struct identity who;
    uint64_t stored_at_ms;
};

struct identity_cache {
    struct map by_key;
    struct list entries;
    uint64_t lifetime_ms;
    size_t max_entries;
};

struct identity_cache *identity_cache_new(uint64_t lifetime_ms, size_t max_entries)
{
    struct identity_cache *c = xcalloc(1, sizeof(*c));

    list_init(&c->entries);
    c->lifetime_ms = lifetime_ms;
    c->max_entries = max_entries;
    return c;
}

static void entry_free(struct identity_cache *c, struct cache_entry *e)
{
    list_unlink(&e->link);
    (void)map_remove(&c->by_key, e->key); /* returns e */
    free(e);
}

static struct cache_entry *find_oldest(struct identity_cache *c)
{
    return CONTAINER_OF(c->entries.next, struct cache_entry, link);
}

void identity_cache_free(struct identity_cache *c)
{
    if (!c)
        return;
    while (!list_empty(&c->entries))
        entry_free(c, find_oldest(c));
    map_done(&c->by_key);
    free(c);
}

const struct identity *identity_cache_find(struct identity_cache *c,
                                           const char *key,
                                           uint64_t now_ms)
{
    struct cache_entry *e = map_find(&c->by_key, key);

    if (!e)
        return NULL;
    if (now_ms - e->stored_at_ms >= c->lifetime_ms) {
        entry_free(c, e);
        return NULL;
    }
    return &e->who;
}

void identity_cache_put(struct identity_cache *c,
                        const char *key,
                        const struct identity *who,
                        uint64_t now_ms)
{
    struct cache_entry *e;

    identity_cache_remove(c, key);
    if (c->by_key.size >= c->max_entries)
        entry_free(c, find_oldest(c));
    e = xcalloc(1, sizeof(*e));
    list_init(&e->link);
    str_copy(e->key, sizeof(e->key), key);
    e->who = *who;
    e->stored_at_ms = now_ms;
    (void)map_put(&c->by_key, key, e); /* replaces nothing */
    list_append(&c->entries, &e->link);
}

void identity_cache_remove(struct identity_cache *c, const char *key)
{
    struct cache_entry *e = map_find(&c->by_key, key);

    if (e)
        entry_free(c, e);
}

size_t identity_cache_size(const struct identity_cache *c)
{
    return c->by_key.size;
}
