#pragma once

/*
 * What has been told since the last tick and is no state of the live model: events, steps of what takes long, bulk
 * jobs. Of what has a key only the newest is kept. Bounded in number and bytes; then the oldest goes, and is counted.
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
    char *key;                    /* NULL: it replaces nothing */
    char *host_id, *container_id; /* what it is about; may be NULL */
    int64_t user_id, key_id;      /* whose it is; both 0: nobody's in particular */
    char *text;                   /* JSON */
    size_t size;
};

struct news {
    struct list items; /* the oldest first */
    struct map by_key; /* -> struct news_item */
    size_t n_items, n_bytes;
    size_t n_lost[TOPIC_KINDS];
};

void news_init(struct news *n);
void news_clear(struct news *n); /* also ends it */

struct news_about {
    const char *key;                    /* or NULL */
    const char *host_id, *container_id; /* or NULL */
    const struct identity *whose;       /* or NULL */
};
void news_add(struct news *n,
              enum topic_kind kind,
              const struct news_about *about,
              json_t *data /* stolen */);
