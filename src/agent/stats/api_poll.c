#include "agent/stats/api_poll.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"
#include "base/str.h"

#define MAX_PARALLEL 8
#define MAX_WAITING  5000
#define ID_SIZE      65

struct waiting {
    struct list link;
    char id[ID_SIZE];
};

struct slot {
    struct api_poll *poll;
    struct api_stats_call *call; /* NULL: the slot is free */
    struct waiting *item;
};

struct api_poll {
    struct engine *engine;
    api_poll_fn fn;
    void *owner;
    struct list waiting;
    struct map items; /* struct waiting by id, including those being asked for */
    struct slot slots[MAX_PARALLEL];
};

struct api_poll *api_poll_new(struct engine *engine, api_poll_fn fn, void *owner)
{
    struct api_poll *p = xcalloc(1, sizeof(*p));

    p->engine = engine;
    p->fn = fn;
    p->owner = owner;
    list_init(&p->waiting);
    return p;
}

void api_poll_free(struct api_poll *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < MAX_PARALLEL; i++)
        api_stats_cancel(p->slots[i].call);
    map_foreach(&p->items, e)
        free(e->value);
    map_done(&p->items);
    free(p);
}

static void ask_next(struct api_poll *p);

static void drop(struct api_poll *p, struct waiting *item)
{
    (void)map_remove(&p->items, item->id);
    free(item);
}

static void on_sample(void *owner, int code, const struct api_sample *sample)
{
    struct slot *slot = owner;
    struct api_poll *p = slot->poll;
    struct waiting *item = TAKE_PTR(slot->item);

    slot->call = NULL;
    if (code == 0)
        p->fn(p->owner, item->id, sample);
    drop(p, item);
    ask_next(p);
}

static void ask_next(struct api_poll *p)
{
    for (size_t i = 0; i < MAX_PARALLEL; i++) {
        struct slot *slot = &p->slots[i];

        if (slot->call || list_empty(&p->waiting))
            continue;
        slot->poll = p;
        slot->item = CONTAINER_OF(list_take_first(&p->waiting), struct waiting, link);
        if (api_stats_start(&slot->call, p->engine, slot->item->id, on_sample, slot) < 0) {
            slot->call = NULL;
            drop(p, TAKE_PTR(slot->item));
        }
    }
}

void api_poll_add(struct api_poll *p, const char *id)
{
    struct waiting *item;

    if (map_find(&p->items, id) || p->items.size >= MAX_WAITING)
        return;
    item = xcalloc(1, sizeof(*item));
    list_init(&item->link);
    str_copy(item->id, sizeof(item->id), id);
    (void)map_put(&p->items, id, item);
    list_append(&p->waiting, &item->link);
    ask_next(p);
}
