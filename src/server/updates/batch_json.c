/* Batches as the API shows them. */

#include "base/container_id.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/updates/batches_internal.h"
#include "server/view/json_values.h"

const struct fleet_container *batch_item_find(const struct batches *bs,
                                              const struct batch_item *item,
                                              const struct fleet_host **ret_host)
{
    const struct fleet_host *h = fleet_find_host(bs->o.fleet, item->host_id);
    struct fleet_container *c = NULL;

    *ret_host = h;
    if (h && fleet_find_container(h, item->container_name, &c) < 0)
        return NULL;
    return c;
}

size_t batch_count(const struct update_batch *b)
{
    return b->n;
}

static bool is_visible(const struct batches *bs,
                       const struct batch_item *item,
                       batch_item_filter filter,
                       void *arg)
{
    const struct fleet_host *h;
    const struct fleet_container *c = batch_item_find(bs, item, &h);

    return !filter || (h && filter(arg, h, c));
}

size_t batch_count_visible(const struct batches *bs,
                           const struct update_batch *b,
                           batch_item_filter filter,
                           void *arg)
{
    size_t n = 0;

    for (size_t i = 0; i < b->n; i++)
        n += is_visible(bs, &b->items[i], filter, arg);
    return n;
}

/* When the next ring begins, or null. */
static json_t *next_ring_at(const struct update_batch *b)
{
    uint64_t now_ms = time_monotonic_ms();

    if (b->state != BATCH_RUNNING || b->resumes_ms <= now_ms)
        return json_null();
    return json_value_time(time_utc_ms() + (int64_t)(b->resumes_ms - now_ms));
}

json_t *batch_json(const struct update_batch *b)
{
    json_t *o = json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:O, s:o, s:o, s:o, s:o, s:o, s:I}",
                          "id", b->id, "state", batch_state_name(b->state), "rings",
                          json_text_str(b->rings), "ring", (json_int_t)b->ring, "n_rings",
                          (json_int_t)b->n_rings, "max_parallel", (json_int_t)b->max_parallel,
                          "pause_s", (json_int_t)b->pause_s, "options", b->options, "created_by",
                          json_text_str(b->created_by), "reason", json_value_string(b->reason),
                          "created_at", json_value_time(b->created_at_ms), "ended_at",
                          json_value_time(b->ended_at_ms), "next_ring_at", next_ring_at(b), "total",
                          (json_int_t)b->n);

    for (size_t i = 0; i < BATCH_ITEM_STATES; i++) {
        (void)json_object_set_new(o, batch_item_state_name((enum batch_item_state)i),
                                  json_integer((json_int_t)b->count[i]));
    }
    return o;
}

json_t *batch_item_json(const struct batches *bs, const struct batch_item *item)
{
    const struct fleet_host *h;
    const struct fleet_container *c = batch_item_find(bs, item, &h);
    json_t *o = json_object();

    json_text_set(o, "number", json_integer((item - item->batch->items) + 1));
    json_text_set(o, "ring", json_integer((json_int_t)item->ring));
    json_text_set(o, "host_id", json_text_str(item->host_id));
    json_text_set(o, "host_name", json_value_string(h ? h->row.name : NULL));
    json_text_set(o, "container_name", json_text_str(item->container_name));
    json_text_set(o, "container_id",
                  c ? json_text_string(c->id, CONTAINER_SHORT_ID_LEN) : json_null());
    json_text_set(o, "state", json_text_str(batch_item_state_name(item->state)));
    json_text_set(o, "update_id", json_value_string(item->update_id));
    json_text_set(o, "reason", json_value_string(item->reason));
    json_text_set(o, "started_at", json_value_time(item->started_at_ms));
    json_text_set(o, "ended_at", json_value_time(item->ended_at_ms));
    return o;
}

json_t *batch_items_json(const struct batches *bs,
                         const struct update_batch *b,
                         batch_item_filter filter,
                         void *arg)
{
    json_t *list = json_array();

    for (size_t i = 0; i < b->n; i++) {
        if (is_visible(bs, &b->items[i], filter, arg))
            (void)json_array_append_new(list, batch_item_json(bs, &b->items[i]));
    }
    return list;
}
