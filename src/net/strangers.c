#include "net/strangers.h"
#include "base/alloc.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#define PREFIX_SIZE 8 /* bytes of an IPv6 address that tell networks apart */

struct stranger_source {
    struct list members; /* oldest first */
    size_t n;
    char key[INET6_ADDRSTRLEN];
};

static void make_key(const char *address, char ret[INET6_ADDRSTRLEN])
{
    struct in6_addr ip;

    str_copy(ret, INET6_ADDRSTRLEN, address);
    if (inet_pton(AF_INET6, address, &ip) != 1)
        return;
    memset(ip.s6_addr + PREFIX_SIZE, 0, sizeof(ip.s6_addr) - PREFIX_SIZE);
    (void)inet_ntop(AF_INET6, &ip, ret, INET6_ADDRSTRLEN); /* it fits */
}

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
    char key[INET6_ADDRSTRLEN];

    make_key(address, key);
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
    char key[INET6_ADDRSTRLEN];

    make_key(address, key);
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
