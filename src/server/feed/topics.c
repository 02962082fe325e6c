#include "server/feed/topics.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEY_SIZE    (2 + TOPIC_HOST_SIZE + CONTAINER_SHORT_ID_SIZE)
#define MAX_QUOTED  100 /* bytes of a client's text in an error */
#define HOST_LETTER "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:"

static const struct {
    const char *name;
    unsigned min_words, max_words; /* words after the name */
} kinds[TOPIC_KINDS] = {
    [TOPIC_HOSTS] = {"hosts",      0, 1},
    [TOPIC_CONTAINERS] = {"containers", 0, 2},
    [TOPIC_HOST_STATS] = {"host_stats", 0, 1},
    [TOPIC_STATS] = {"stats",      1, 2},
    [TOPIC_EVENTS] = {"events",     0, 2},
    [TOPIC_PROGRESS] = {"progress",   0, 2},
    [TOPIC_JOBS] = {"jobs",       0, 0},
};

static int find_kind(const char *name, size_t size, enum topic_kind *ret)
{
    for (unsigned i = 0; i < TOPIC_KINDS; i++) {
        if (strlen(kinds[i].name) == size && strncmp(kinds[i].name, name, size) == 0) {
            *ret = (enum topic_kind)i;
            return 0;
        }
    }
    return -EINVAL;
}

static bool is_container_id(const char *id)
{
    return str_is_hex(id, CONTAINER_ID_LEN) || str_is_hex(id, CONTAINER_SHORT_ID_LEN);
}

/* Parses the words after the name; `words` begins after the slash, or is NULL. */
static int parse_words(const char *words, struct topic *ret, unsigned *ret_n)
{
    size_t size;

    *ret_n = 0;
    if (!words)
        return 0;
    size = strspn(words, HOST_LETTER);
    if (size == 0 || size >= TOPIC_HOST_SIZE || (words[size] && words[size] != '/'))
        return -EINVAL;
    memcpy(ret->host, words, size);
    *ret_n = 1;
    if (!words[size])
        return 0;
    if (!is_container_id(words + size + 1))
        return -EINVAL;
    memcpy(ret->container, words + size + 1, CONTAINER_SHORT_ID_LEN);
    *ret_n = 2;
    return 0;
}

int topic_parse(const char *text, struct topic *ret, struct error *err)
{
    struct topic t = {0};
    size_t size = strcspn(text, "/");
    unsigned n;

    if (find_kind(text, size, &t.kind) < 0 ||
        parse_words(text[size] ? text + size + 1 : NULL, &t, &n) < 0 ||
        n < kinds[t.kind].min_words || n > kinds[t.kind].max_words) {
        return error_set(
            err, -EINVAL,
            "no such topic: \"%.*s\"; topics are hosts, containers, host_stats, stats, "
            "events, progress and jobs, with /HOST and /CONTAINER where they have one",
            STR_CUT(text, MAX_QUOTED));
    }
    *ret = t;
    return 0;
}

static const char *make_key(char ret[KEY_SIZE],
                            enum topic_kind kind,
                            const char *host,
                            const char *container)
{
    (void)snprintf(ret, KEY_SIZE, "%c%s/%.*s", 'a' + (int)kind, host,
                   STR_CUT(container, CONTAINER_SHORT_ID_LEN));
    return ret;
}

void topics_done(struct topics *t)
{
    map_foreach(&t->items, e)
        free(e->value);
    map_done(&t->items);
    *t = (struct topics){0};
}

bool topics_add(struct topics *t, const struct topic *topic)
{
    char key[KEY_SIZE];

    (void)make_key(key, topic->kind, topic->host, topic->container);
    if (map_find(&t->items, key) || t->items.size >= TOPICS_MAX)
        return false;
    (void)map_put(&t->items, key, xmemdup(topic, sizeof(*topic))); /* replaces nothing */
    t->n[topic->kind]++;
    if (!topic->host[0])
        t->all[topic->kind] = true;
    return true;
}

bool topics_remove(struct topics *t, const struct topic *topic)
{
    char key[KEY_SIZE];
    struct topic *old = map_remove(&t->items,
                                   make_key(key, topic->kind, topic->host, topic->container));

    if (!old)
        return false;
    free(old);
    t->n[topic->kind]--;
    if (!topic->host[0])
        t->all[topic->kind] = false;
    return true;
}

static bool has_topic(const struct topics *t,
                      enum topic_kind kind,
                      const char *host,
                      const char *container)
{
    char key[KEY_SIZE];

    return map_find(&t->items, make_key(key, kind, host, container)) != NULL;
}

bool topics_want(const struct topics *t,
                 enum topic_kind kind,
                 const char *host,
                 const char *container)
{
    if (t->all[kind])
        return true;
    if (t->n[kind] == 0 || !host)
        return false;
    return has_topic(t, kind, host, "") || (container && has_topic(t, kind, host, container));
}
