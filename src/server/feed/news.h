#pragma once

/*
 * News are the events, steps of long operations and changes of bulk jobs since the last tick,
 * which are not in the live model. A newer item replaces an older one of the same key. The number
 * and the bytes of all items are limited: beyond that the oldest are dropped and counted. Pure
 * data.
 */

#include "base/list.h"
#include "base/map.h"
#include "server/auth/auth.h"
#include "server/feed/topics.h"
#include <jansson.h>

#define NEWS_MAX_ITEMS 2000
#define NEWS_MAX_BYTES ((size_t)2 << 20)

struct news_item {
    struct list link;
    enum topic_kind kind;         /* TOPIC_EVENTS, TOPIC_PROGRESS or TOPIC_JOBS */
    char *key;                    /* NULL: replaces no other item */
    char *host_id, *container_id; /* the subject; may be NULL */
    int64_t user_id, key_id;      /* the owner of a job; both 0: none */
    char *text;                   /* JSON */
    size_t size;
};

struct news {
    struct list items; /* oldest first */
    struct map by_key; /* key -> struct news_item */
    size_t n_items, n_bytes;
    size_t n_lost[TOPIC_KINDS];
};

void news_init(struct news *n);
void news_clear(struct news *n); /* frees everything; `n` may be used again or dropped */

struct news_about {
    const char *key;                    /* or NULL */
    const char *host_id, *container_id; /* or NULL */
    const struct identity *whose;       /* or NULL */
};
/* Copies `about`, and takes ownership of `data`. */
void news_add(struct news *n, enum topic_kind kind, const struct news_about *about, json_t *data);
