#include "server/updates/batches.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/updates/batches_internal.h"
#include "server/view/container_json.h"

#include <errno.h>
#include <string.h>

bool batch_is_over(const struct update_batch *b)
{
    return b->state >= BATCH_COMPLETED;
}

bool batch_is_of(const struct update_batch *b, const struct identity *who)
{
    return (b->user_id || b->key_id) && b->user_id == who->user_id && b->key_id == who->key_id;
}

void update_batch_free(struct update_batch *b)
{
    loop_timer_stop(&b->timer);
    list_unlink(&b->link);
    for (size_t i = 0; i < b->n; i++) {
        free(b->items[i].host_id);
        free(b->items[i].container_name);
        free(b->items[i].update_id);
        free(b->items[i].reason);
    }
    free(b->items);
    free(b->created_by);
    free(b->rings);
    free(b->reason);
    json_decref(b->options);
    free(b);
}

/* --- finding --- */

static struct update_batch *batch_of(struct list *l)
{
    return CONTAINER_OF(l, struct update_batch, link);
}

struct update_batch *batches_lookup(const struct batches *bs, const char *id)
{
    for (struct list *l = bs->all.next; l != &bs->all; l = l->next) {
        if (str_eq(batch_of(l)->id, id))
            return batch_of(l);
    }
    return NULL;
}

const struct update_batch *batches_find(const struct batches *bs, const char *id)
{
    return batches_lookup(bs, id);
}

void batches_each(const struct batches *bs, batches_fn fn, void *arg)
{
    for (struct list *l = bs->all.next; l != &bs->all; l = l->next)
        fn(arg, batch_of(l));
}

/* --- creation --- */

struct tagged {
    json_t *container, *host; /* arrays of tags */
};

static json_t *parse_list(const char *text)
{
    return text ? json_text_parse(text, strlen(text), 0, NULL) : NULL;
}

static bool has_text(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (str_eq(json_string_value(json_array_get(list, i)), text))
            return true;
    }
    return false;
}

static bool has_tag(const struct rings_subject *s, const char *tag)
{
    const struct tagged *t = s->arg;

    return has_text(t->container, tag) || has_text(t->host, tag);
}

/* Fills the items, each with its ring. */
static void add_items(struct update_batch *b, const struct rings *rings, const struct batch_spec *s)
{
    _cleanup_free_ struct rings_subject *subjects = xcalloc(s->n, sizeof(*subjects));
    _cleanup_free_ struct tagged *tags = xcalloc(s->n, sizeof(*tags));

    for (size_t i = 0; i < s->n; i++) {
        tags[i].container = container_tags(s->subjects[i].host, s->subjects[i].container);
        tags[i].host = parse_list(s->subjects[i].host->row.tags);
        subjects[i] = (struct rings_subject){
            .host_id = s->subjects[i].host->row.id, .has_tag = has_tag, .arg = &tags[i]};
    }
    b->n_rings = rings_assign(rings, subjects, s->n);
    b->items = xcalloc(s->n, sizeof(*b->items));
    for (size_t i = 0; i < s->n; i++) {
        b->items[i] = (struct batch_item){
            .batch = b,
            .ring = subjects[i].ring,
            .host_id = xstrdup(s->subjects[i].host->row.id),
            .container_name = xstrdup(s->subjects[i].container->name),
        };
        json_decref(tags[i].container);
        json_decref(tags[i].host);
    }
    b->n = b->count[BATCH_ITEM_QUEUED] = s->n;
}

static struct update_batch *make_batch(struct batches *bs,
                                       const struct rings *rings,
                                       const struct batch_spec *spec)
{
    struct update_batch *b = xcalloc(1, sizeof(*b));

    b->owner = bs;
    list_init(&b->link);
    random_uuid(b->id);
    b->created_by = xstrdup(spec->created_by);
    b->user_id = spec->who ? spec->who->user_id : 0;
    b->key_id = spec->who ? spec->who->key_id : 0;
    b->rings = xstrdup(str_is_empty(spec->rings) ? "all" : spec->rings);
    b->max_parallel = spec->max_parallel;
    b->pause_s = spec->pause_s;
    b->options = update_args_encode(OPERATION_UPDATE_CONTAINER, spec->options);
    (void)json_object_del(b->options, "container_id");
    (void)json_object_del(b->options, "registry_auth");
    b->created_at_ms = time_utc_ms();
    add_items(b, rings, spec);
    return b;
}

/* As the store does: those that ended first are forgotten. */
static void forget_old(struct batches *bs)
{
    size_t n = 0;
    struct list *previous;

    for (struct list *l = bs->all.next; l != &bs->all; l = l->next)
        n += batch_is_over(batch_of(l));
    for (struct list *l = bs->all.prev; l != &bs->all && n > UPDATE_BATCHES_KEPT; l = previous) {
        previous = l->prev;
        if (batch_is_over(batch_of(l))) {
            update_batch_free(batch_of(l));
            n--;
        }
    }
}

static size_t count_active(const struct batches *bs)
{
    size_t n = 0;

    for (struct list *l = bs->all.next; l != &bs->all; l = l->next)
        n += !batch_is_over(batch_of(l));
    return n;
}

int batches_create(struct batches *bs,
                   const struct batch_spec *spec,
                   batches_done_fn done,
                   void *owner,
                   struct error *err)
{
    struct update_batch *b;
    struct rings rings;
    int r = rings_parse(spec->rings, &rings, err);

    if (r < 0)
        return r;
    forget_old(bs);
    if (bs->is_stopped || count_active(bs) >= BATCH_MAX_ACTIVE) {
        return error_set(err, -ENOBUFS,
                         "%d batches of updates are in progress, the maximum: wait "
                         "until one of them ends, or cancel it",
                         BATCH_MAX_ACTIVE);
    }
    b = make_batch(bs, &rings, spec);
    list_append(bs->all.next, &b->link);
    r = batch_store_new(b, done, owner);
    if (r < 0) {
        update_batch_free(b);
        return error_set(err, r, "The server is too busy to store the batch: try again later");
    }
    return 0;
}

bool batches_cancel(struct batches *bs, const char *id, const char *who)
{
    struct update_batch *b = batches_lookup(bs, id);
    _cleanup_free_ char *reason = xasprintf("cancelled by %s", who);

    if (!b || batch_is_over(b))
        return false;
    batch_halt(b, BATCH_CANCELLING, reason);
    batch_advance(b);
    return true;
}

/* --- life --- */

/* Calls batch_advance() for the batches that have an item on the host. */
static void advance_host(struct batches *bs, const char *host_id)
{
    for (struct list *l = bs->all.next; l != &bs->all; l = l->next) {
        struct update_batch *b = batch_of(l);
        size_t i = 0;

        while (i < b->n && !str_eq(b->items[i].host_id, host_id))
            i++;
        if (i < b->n)
            batch_advance(b);
    }
}

static void on_update(struct updates_listener *l, const struct update *up)
{
    advance_host(CONTAINER_OF(l, struct batches, updates), up->host_id);
}

static void on_host(struct fleet_listener *l, const struct fleet_host *h)
{
    advance_host(CONTAINER_OF(l, struct batches, fleet), h->row.id);
}

int batches_open(struct batches **ret, const struct batches_options *o, struct error *err)
{
    struct batches *bs = xcalloc(1, sizeof(*bs));
    int r;

    bs->o = *o;
    list_init(&bs->all);
    list_init(&bs->jobs);
    bs->opened_at_ms = time_utc_ms();
    bs->updates.on_change = on_update;
    bs->fleet.on_host = bs->fleet.on_containers = on_host;
    r = batches_load(bs, err);
    if (r < 0) {
        batches_close(bs);
        return error_wrap(err, r, "load batches of updates");
    }
    updates_add_listener(o->updates, &bs->updates);
    fleet_add_listener(o->fleet, &bs->fleet);
    for (struct list *l = bs->all.next; l != &bs->all; l = l->next)
        batch_advance(batch_of(l));
    *ret = bs;
    return 0;
}

void batches_stop(struct batches *bs)
{
    if (!bs || bs->is_stopped)
        return;
    bs->is_stopped = true;
    updates_remove_listener(&bs->updates);
    fleet_remove_listener(&bs->fleet);
    batches_drop_jobs(bs);
    for (struct list *l = bs->all.next; l != &bs->all; l = l->next)
        loop_timer_stop(&batch_of(l)->timer);
}

void batches_close(struct batches *bs)
{
    if (!bs)
        return;
    batches_stop(bs);
    while (!list_empty(&bs->all))
        update_batch_free(batch_of(list_take_first(&bs->all)));
    free(bs);
}
