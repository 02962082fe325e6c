#include "server/auth/limit.h"
#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"

#include <assert.h>
#include <errno.h>

struct limit_entry {
    struct list link; /* on limit.entries, least recently used first */
    char *key;
    unsigned n_hits;
    unsigned next;      /* slot of the next hit; the oldest hit when all slots are used */
    uint64_t hits_ms[]; /* ring buffer of max_hits */
};

struct limit {
    struct map by_key;
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
    list_unlink(&e->link);
    (void)map_remove(&l->by_key, e->key); /* returns e */
    free(e->key);
    free(e);
}

static struct limit_entry *find_oldest(struct limit *l)
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
    free(l);
}

static struct limit_entry *get_entry(struct limit *l, const char *key)
{
    struct limit_entry *e = map_find(&l->by_key, key);

    if (e) {
        list_unlink(&e->link);
    } else {
        if (l->by_key.size >= l->max_keys)
            entry_free(l, find_oldest(l));
        e = xcalloc(1, sizeof(*e) + l->max_hits * sizeof(e->hits_ms[0]));
        list_init(&e->link);
        e->key = xstrdup(key);
        (void)map_put(&l->by_key, key, e); /* replaces nothing */
    }
    list_append(&l->entries, &e->link);
    return e;
}

int limit_take(struct limit *l, const char *key, uint64_t now_ms, uint64_t *ret_wait_ms)
{
    struct limit_entry *e = get_entry(l, key);

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
