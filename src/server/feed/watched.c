#include "server/feed/watched.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"

#include <assert.h>
#include <stdio.h>

#define KEY_SIZE (TOPIC_HOST_SIZE + CONTAINER_SHORT_ID_SIZE + 2)

static void free_counts(struct map *m)
{
    map_foreach(m, e)
        free(e->value);
    map_done(m);
}

void watched_done(struct watched *w)
{
    free_counts(&w->counts);
    free_counts(&w->hosts);
    w->n_all_hosts = 0;
}

/* True: the count was 0. */
static bool count_up(struct map *m, const char *key)
{
    size_t *n = map_find(m, key);

    if (!n) {
        n = xcalloc(1, sizeof(*n));
        (void)map_put(m, key, n); /* replaces nothing */
    }
    return (*n)++ == 0;
}

/* True: the count is 0 now. */
static bool count_down(struct map *m, const char *key)
{
    size_t *n = map_find(m, key);

    assert(n && *n > 0);
    if (--*n > 0)
        return false;
    free(map_remove(m, key));
    return true;
}

static const char *make_key(char ret[KEY_SIZE], const struct topic *t)
{
    (void)snprintf(ret, KEY_SIZE, "%s/%s", t->host,
                   t->kind == TOPIC_HOST_STATS ? "/" : t->container);
    return ret;
}

static bool is_counted(const struct topic *t)
{
    return t->kind == TOPIC_STATS || t->kind == TOPIC_HOST_STATS;
}

bool watched_add(struct watched *w, const struct topic *topic)
{
    char key[KEY_SIZE];

    if (!is_counted(topic))
        return false;
    if (!topic->host[0])
        return w->n_all_hosts++ == 0;
    if (!count_up(&w->counts, make_key(key, topic)))
        return false;
    (void)count_up(&w->hosts, topic->host);
    return true;
}

bool watched_remove(struct watched *w, const struct topic *topic)
{
    char key[KEY_SIZE];

    if (!is_counted(topic))
        return false;
    if (!topic->host[0]) {
        assert(w->n_all_hosts > 0);
        return --w->n_all_hosts == 0;
    }
    if (!count_down(&w->counts, make_key(key, topic)))
        return false;
    (void)count_down(&w->hosts, topic->host);
    return true;
}

static bool has_key(const struct watched *w, const char *host_id, const char *rest)
{
    char key[KEY_SIZE];

    (void)snprintf(key, sizeof(key), "%s/%.*s", host_id, STR_CUT(rest, CONTAINER_SHORT_ID_LEN));
    return map_find(&w->counts, key) != NULL;
}

bool watched_has_host(const struct watched *w, const char *host_id)
{
    return w->n_all_hosts > 0 || has_key(w, host_id, "/");
}

bool watched_has_any_container(const struct watched *w, const char *host_id)
{
    const size_t *n = map_find(&w->hosts, host_id);

    return n && *n > (has_key(w, host_id, "/") ? 1 : 0);
}

bool watched_has_container(const struct watched *w, const char *host_id, const char *container_id)
{
    return has_key(w, host_id, "") || has_key(w, host_id, container_id);
}
