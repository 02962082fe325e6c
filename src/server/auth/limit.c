#include "server/auth/limit.h"
#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"
#include "net/network_key.h"

#include <assert.h>
#include <errno.h>

struct limit_group {
    char *name;
    size_t n_entries;
};

struct limit_entry {
    struct list link; /* on limit.entries, least recently used first */
    struct limit_group *group;
    char *key;
    unsigned n_hits;
    unsigned next;      /* slot of the next hit; the oldest hit when all slots are used */
    uint64_t hits_ms[]; /* ring buffer of max_hits */
};

struct limit {
    struct map by_key, groups;
    struct list entries;
    size_t max_keys;
    uint64_t window_ms;
    unsigned max_hits;
};

struct limit *limit_new(unsigned max_hits, uint64_t window_ms, size_t max_keys)
{
    struct limit *l = xcalloc(1, sizeof(*l));

    assert(max_hits > 0 && max_keys > 0);
    list_init(&l->entries);
    l->max_hits = max_hits;
    l->window_ms = window_ms;
    l->max_keys = max_keys;
    return l;
}

static void entry_free(struct limit *l, struct limit_entry *e)
{
    if (--e->group->n_entries == 0) {
        (void)map_remove(&l->groups, e->group->name); /* returns the group */
        free(e->group->name);
        free(e->group);
    }
    list_unlink(&e->link);
    (void)map_remove(&l->by_key, e->key); /* returns e */
    free(e->key);
    free(e);
}

static struct limit_entry *find_oldest(const struct limit *l)
{
    return CONTAINER_OF(l->entries.next, struct limit_entry, link);
}

void limit_free(struct limit *l)
{
    if (!l)
        return;
    while (!list_empty(&l->entries))
        entry_free(l, find_oldest(l));
    map_done(&l->by_key);
    map_done(&l->groups);
    free(l);
}

static struct limit_group *get_group(struct limit *l, const char *name)
{
    struct limit_group *g = map_find(&l->groups, name);

    if (!g) {
        g = xcalloc(1, sizeof(*g));
        g->name = xstrdup(name);
        (void)map_put(&l->groups, name, g); /* replaces nothing */
    }
    return g;
}

/* Counts the hits within the window. */
static unsigned count_hits(const struct limit *l, const struct limit_entry *e, uint64_t now_ms)
{
    unsigned n = 0;

    for (unsigned i = 0; i < e->n_hits; i++) {
        unsigned slot = (e->next + l->max_hits - 1 - i) % l->max_hits;

        n += now_ms < e->hits_ms[slot] + l->window_ms;
    }
    return n;
}

static size_t find_largest_group(const struct limit *l)
{
    size_t n = 0;

    map_foreach(&l->groups, e) {
        const struct limit_group *g = e->value;

        if (g->n_entries > n)
            n = g->n_entries;
    }
    return n;
}

/* Returns the key that makes room for a new one of the group, or NULL. */
static struct limit_entry *find_victim(const struct limit *l, const char *group, uint64_t now_ms)
{
    const struct limit_group *own = map_find(&l->groups, group);
    struct limit_entry *best = find_oldest(l);
    unsigned fewest = l->max_hits;
    size_t largest;

    if (count_hits(l, best, now_ms) == 0)
        return best;
    largest = find_largest_group(l);
    if (own && own->n_entries >= largest)
        return NULL;
    best = NULL;
    for (struct list *i = l->entries.next; i != &l->entries; i = i->next) {
        struct limit_entry *e = CONTAINER_OF(i, struct limit_entry, link);
        unsigned n = e->group->n_entries == largest ? count_hits(l, e, now_ms) : l->max_hits;

        if (n < fewest) {
            fewest = n;
            best = e;
        }
    }
    return best;
}

/* Returns NULL when the table is full. */
static struct limit_entry *get_entry(struct limit *l,
                                     const char *key,
                                     const char *group,
                                     uint64_t now_ms)
{
    struct limit_entry *e = map_find(&l->by_key, key);

    if (e) {
        list_unlink(&e->link);
        list_append(&l->entries, &e->link);
        return e;
    }
    if (l->by_key.size >= l->max_keys) {
        e = find_victim(l, group, now_ms);
        if (!e)
            return NULL;
        entry_free(l, e);
    }
    e = xcalloc(1, sizeof(*e) + l->max_hits * sizeof(e->hits_ms[0]));
    e->group = get_group(l, group);
    e->group->n_entries++;
    e->key = xstrdup(key);
    list_append(&l->entries, &e->link);
    (void)map_put(&l->by_key, key, e); /* replaces nothing */
    return e;
}

int limit_take(
    struct limit *l, const char *key, const char *group, uint64_t now_ms, uint64_t *ret_wait_ms)
{
    struct limit_entry *e = get_entry(l, key, group, now_ms);

    if (!e) {
        *ret_wait_ms = l->window_ms;
        return -EAGAIN;
    }
    if (e->n_hits == l->max_hits) {
        uint64_t free_at_ms = e->hits_ms[e->next] + l->window_ms;

        if (now_ms < free_at_ms) {
            *ret_wait_ms = free_at_ms - now_ms;
            return -EAGAIN;
        }
    } else {
        e->n_hits++;
    }
    e->hits_ms[e->next] = now_ms;
    e->next = (e->next + 1) % l->max_hits;
    return 0;
}

void limit_undo(struct limit *l, const char *key)
{
    struct limit_entry *e = map_find(&l->by_key, key);

    if (!e || e->n_hits == 0)
        return;
    e->n_hits--;
    e->next = (e->next + l->max_hits - 1) % l->max_hits;
    if (e->n_hits == 0)
        entry_free(l, e);
}

int limit_take_address(struct limit *l, const char *address, uint64_t now_ms, uint64_t *ret_wait_ms)
{
    char key[NETWORK_KEY_SIZE], group[NETWORK_KEY_SIZE];

    network_key(address, key);
    network_group(address, group);
    return limit_take(l, key, group, now_ms, ret_wait_ms);
}

void limit_undo_address(struct limit *l, const char *address)
{
    char key[NETWORK_KEY_SIZE];

    network_key(address, key);
    limit_undo(l, key);
}

void limit_forget(struct limit *l, const char *key)
{
    struct limit_entry *e = map_find(&l->by_key, key);

    if (e)
        entry_free(l, e);
}

size_t limit_size(const struct limit *l)
{
    return l->by_key.size;
}
