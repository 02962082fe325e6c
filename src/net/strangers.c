#include "net/strangers.h"
#include "base/alloc.h"
#include "base/str.h"
#include "net/network_key.h"

#include <assert.h>
#include <string.h>

struct stranger_source {
    struct list members; /* oldest first */
    size_t n;
    char key[NETWORK_KEY_SIZE];
};

void strangers_init(struct strangers *ss, size_t max_per_source)
{
    *ss = (struct strangers){.max_per_source = max_per_source};
    list_init(&ss->all);
}

void strangers_done(struct strangers *ss)
{
    assert(ss->n == 0);
    map_done(&ss->sources);
}

static struct stranger_source *source_get(struct strangers *ss, const char *address)
{
    struct stranger_source *source;
    char key[NETWORK_KEY_SIZE];

    network_key(address, key);
    source = map_find(&ss->sources, key);
    if (source)
        return source;
    source = xcalloc(1, sizeof(*source));
    list_init(&source->members);
    str_copy(source->key, sizeof(source->key), key);
    (void)map_put(&ss->sources, key, source); /* nothing was there */
    return source;
}

void stranger_add(struct strangers *ss,
                  struct stranger *s,
                  const char *address,
                  void (*evict)(struct stranger *s))
{
    *s = (struct stranger){.home = ss, .source = source_get(ss, address), .evict = evict};
    list_init(&s->link);
    list_init(&s->source_link);
    list_append(&ss->all, &s->link);
    list_append(&s->source->members, &s->source_link);
    s->source->n++;
    ss->n++;
}

void stranger_remove(struct stranger *s)
{
    struct stranger_source *source = s->source;

    if (!s->home)
        return;
    list_unlink(&s->link);
    list_unlink(&s->source_link);
    s->home->n--;
    if (--source->n == 0)
        free(map_remove(&s->home->sources, source->key));
    *s = (struct stranger){0};
}

static void evict(struct stranger *s)
{
    struct strangers *ss = s->home;
    size_t n = ss->n;

    s->evict(s); /* s is gone now */
    assert(ss->n < n);
}

bool strangers_make_room(struct strangers *ss, const char *address)
{
    const struct stranger_source *source;
    char key[NETWORK_KEY_SIZE];

    network_key(address, key);
    source = map_find(&ss->sources, key);
    if (!source || source->n < ss->max_per_source)
        return false;
    evict(CONTAINER_OF(source->members.next, struct stranger, source_link));
    return true;
}

bool strangers_evict_oldest(struct strangers *ss)
{
    if (list_empty(&ss->all))
        return false;
    evict(CONTAINER_OF(ss->all.next, struct stranger, link));
    return true;
}
