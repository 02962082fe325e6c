#include "server/feed/news.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <string.h>

static void item_free(struct news *n, struct news_item *it)
{
    list_unlink(&it->link);
    n->n_items--;
    n->n_bytes -= it->size;
    if (it->key)
        (void)map_remove(&n->by_key, it->key); /* returns the item itself */
    free(it->key);
    free(it->host_id);
    free(it->container_id);
    free(it->text);
    free(it);
}

void news_init(struct news *n)
{
    *n = (struct news){0};
    list_init(&n->items);
}

void news_clear(struct news *n)
{
    while (!list_empty(&n->items))
        item_free(n, CONTAINER_OF(list_take_first(&n->items), struct news_item, link));
    map_done(&n->by_key);
    memset(n->n_lost, 0, sizeof(n->n_lost));
}

void news_add(struct news *n, enum topic_kind kind, const struct news_about *about, json_t *data)
{
    struct news_item *it = about->key ? map_find(&n->by_key, about->key) : NULL;

    if (it)
        item_free(n, it); /* the newer item is appended, at its own time */
    it = xcalloc(1, sizeof(*it));
    list_init(&it->link);
    it->kind = kind;
    it->key = xstrdup(about->key);
    it->host_id = xstrdup(about->host_id);
    it->container_id = xstrdup(about->container_id);
    if (about->whose) {
        it->user_id = about->whose->user_id;
        it->key_id = about->whose->key_id;
    }
    it->text = json_text_write(data, &it->size);
    json_decref(data);
    if (it->key)
        (void)map_put(&n->by_key, it->key, it); /* replaces nothing */
    list_append(&n->items, &it->link);
    n->n_items++;
    n->n_bytes += it->size;
    while (n->n_items > NEWS_MAX_ITEMS || (n->n_bytes > NEWS_MAX_BYTES && n->n_items > 1)) {
        it = CONTAINER_OF(list_take_first(&n->items), struct news_item, link);
        n->n_lost[it->kind]++;
        item_free(n, it);
    }
}
