#include "agent/inventory/inventory.h"
#include "agent/engine/container_list.h"
#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/map.h"
#include "base/random.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/inventory.h"
#include "proto/json_text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define COALESCE_MS 100
#define CHECK_MS    60000
#define RETRY_MS    3000
#define MAX_ASKED   50   /* dirty containers read with one request */
#define MAX_DIRTY   2000 /* beyond it the whole list is read */

enum inventory_work {
    WORK_NONE,
    WORK_READ,     /* read the containers of inventory_read(), send those that differ */
    WORK_SNAPSHOT, /* read and send all containers */
    WORK_DELTA,    /* read dirty containers, send those that differ */
    WORK_CHECK,    /* read all containers, send those that differ */
};

/* The last state of a container that was sent. */
struct known {
    uint64_t hash;
    unsigned round; /* of the last list that contained it */
};

/*
 * The time of the next read of a dirty container; see "dirty" in inventory.h for the three reads.
 */
struct due {
    uint64_t at_ms;
    size_t reads; /* done so far */
};

static const uint64_t read_delays_ms[] = {COALESCE_MS, 1000, 5000};

struct inventory {
    struct inventory_options options;
    enum inventory_work work; /* purpose of `list` */
    struct container_list *list;
    struct map known;    /* id -> struct known, owned */
    struct map dirty;    /* id -> struct due, owned */
    struct map asked;    /* id -> struct due, owned: taken from `dirty` */
    struct list reads;   /* struct inventory_read: wanted */
    struct list reading; /* in the current list */
    uint64_t next;       /* sequence number of the next event */
    unsigned round;
    bool wants_snapshot, wants_check;
    bool is_failing; /* the last failure was logged */
    struct loop_timer due, check, retry;
};

uint64_t inventory_hash_element(struct json_span element)
{
    uint64_t hash = HASH_START;
    struct json_iter it, items;
    struct json_span key, value, no_key, item;

    json_iter_init(&it, element);
    while (json_iter_next(&it, &key, &value)) {
        hash = hash_bytes(hash, key.p, key.n);
        if (value.n > 0 && value.p[0] == '[') {
            uint64_t sum = 0;

            /* The engine lists ports in the random order of a hash table. */
            json_iter_init(&items, value);
            while (json_iter_next(&items, &no_key, &item))
                sum += hash_bytes(HASH_START, item.p, item.n);
            hash = hash_bytes(hash, &sum, sizeof(sum));
        } else {
            hash = hash_bytes(hash, value.p, value.n);
        }
    }
    return hash;
}

static void forget_all(struct map *m)
{
    map_foreach(m, e)
        free(e->value);
    map_done(m);
    *m = (struct map){0};
}

/* One message under construction: {"...","containers":[ elements ],"removed":[ ids ]}. */
struct part {
    struct inventory *inventory;
    struct buf elements; /* without the brackets */
    json_t *removed;
    char snapshot_id[UUID_TEXT_SIZE];
    int64_t number;
};

static void part_init(struct part *p, struct inventory *inv)
{
    *p = (struct part){.inventory = inv, .removed = json_array()};
    buf_init(&p->elements, SIZE_MAX);
    random_uuid(p->snapshot_id);
}

static void part_done(struct part *p)
{
    buf_done(&p->elements);
    json_decref(p->removed);
}

static bool part_is_empty(const struct part *p)
{
    return p->elements.size == 0 && json_array_size(p->removed) == 0;
}

static int part_send(struct part *p, bool is_snapshot, bool is_last)
{
    const struct sender *sender = p->inventory->options.sender;
    struct buf payload = BUF_INIT(sender->max_message), array = BUF_INIT(SIZE_MAX);
    json_auto_t *head = json_object();
    int r;

    if (is_snapshot) {
        json_text_set(head, "snapshot_id", json_text_str(p->snapshot_id));
        json_text_set(head, "part", json_integer(p->number++));
        json_text_set(head, "last", json_boolean(is_last));
    } else {
        json_text_set(head, "removed", json_incref(p->removed));
    }
    r = buf_printf(&array, "[%s]", buf_str(&p->elements));
    assert(r == 0);
    r = sender_append_with(&payload, head, "containers",
                           (struct json_span){buf_str(&array), array.size});
    if (r == 0) {
        r = sender_send_event(sender, is_snapshot ? "inventory_snapshot" : "inventory_delta",
                              (struct json_span){buf_str(&payload), payload.size});
    }
    buf_done(&payload);
    buf_done(&array);
    buf_clear(&p->elements);
    (void)json_array_clear(p->removed); /* cannot fail on an array */
    return r;
}

static void part_append(struct part *p, struct json_span element)
{
    int r = p->elements.size ? buf_append_char(&p->elements, ',') : 0;

    if (r == 0)
        r = buf_append(&p->elements, element.p, element.n);
    assert(r == 0);
}

/* Adds an element; a part that would become too large is sent first. */
static int part_add(struct part *p, struct json_span element, bool is_snapshot)
{
    int r = 0;

    if (p->elements.size > 0 && p->elements.size + element.n > INVENTORY_PART_SIZE)
        r = part_send(p, is_snapshot, false);
    part_append(p, element);
    return r;
}

static struct known *remember(struct inventory *inv, const char *id)
{
    struct known *known = map_find(&inv->known, id);

    if (!known) {
        known = xcalloc(1, sizeof(*known));
        (void)map_put(&inv->known, id, known);
    }
    known->round = inv->round;
    return known;
}

static int send_snapshot(struct inventory *inv, const struct container_list_result *result)
{
    struct part part;
    int r = 0;

    forget_all(&inv->known);
    part_init(&part, inv);
    for (size_t i = 0; r == 0 && i < result->n; i++) {
        remember(inv, result->items[i].id)->hash = inventory_hash_element(result->items[i].text);
        r = part_add(&part, result->items[i].text, true);
    }
    if (r == 0)
        r = part_send(&part, true, true);
    part_done(&part);
    return r;
}

static int add_changed(struct inventory *inv,
                       struct part *part,
                       const struct container_list_item *item)
{
    bool is_new = !map_find(&inv->known, item->id);
    struct known *known = remember(inv, item->id);
    uint64_t hash = inventory_hash_element(item->text);

    if (!is_new && known->hash == hash)
        return 0;
    known->hash = hash;
    return part_add(part, item->text, false);
}

/* Adds those of `candidates` that the current list does not contain. */
static void add_removed(struct inventory *inv, struct part *part, const struct map *candidates)
{
    char **gone = xcalloc(candidates->size, sizeof(*gone));
    size_t n = 0;

    map_foreach(candidates, e) {
        const struct known *known = map_find(&inv->known, e->key);

        if (known && known->round != inv->round)
            gone[n++] = xstrdup(e->key);
    }
    for (size_t i = 0; i < n; i++) {
        free(map_remove(&inv->known, gone[i]));
        if (json_array_append_new(part->removed, json_text_str(gone[i])) < 0)
            abort(); /* out of memory */
        free(gone[i]);
    }
    free(gone);
}

static int send_changes(struct inventory *inv,
                        const struct container_list_result *result,
                        const struct map *candidates)
{
    struct part part;
    int r = 0;

    inv->round++;
    part_init(&part, inv);
    for (size_t i = 0; r == 0 && i < result->n; i++)
        r = add_changed(inv, &part, &result->items[i]);
    if (r == 0) {
        add_removed(inv, &part, candidates);
        if (!part_is_empty(&part))
            r = part_send(&part, false, false);
    }
    part_done(&part);
    return r;
}

static void work_next(struct inventory *inv);

static void on_due(struct loop_timer *t)
{
    work_next(CONTAINER_OF(t, struct inventory, due));
}

/* --- inventory_read() --- */

static const struct container_list_item *find_item(const struct container_list_result *result,
                                                   const char *id)
{
    for (size_t i = 0; result && i < result->n; i++) {
        if (str_eq(result->items[i].id, id))
            return &result->items[i];
    }
    return NULL;
}

/* Completes the reads of a list; without `result`, all fail with `code`. */
static void finish_reads(struct list *reads, int code, const struct container_list_result *result)
{
    while (!list_empty(reads)) {
        struct inventory_read *r = CONTAINER_OF(list_take_first(reads), struct inventory_read,
                                                link);
        const struct container_list_item *item = find_item(result, r->id);

        r->done(r, item || !result ? code : -ENOENT, item ? item->text : (struct json_span){0});
        /* r may be gone now */
    }
}

/* Moves the wanted reads to the current list. They are not read again later. */
static void take_reads(struct inventory *inv)
{
    forget_all(&inv->asked);
    while (!list_empty(&inv->reads) && inv->asked.size < MAX_ASKED) {
        struct list *l = list_take_first(&inv->reads);
        struct due *due = xcalloc(1, sizeof(*due));

        due->reads = ARRAY_LEN(read_delays_ms) - 1;
        free(map_put(&inv->asked, CONTAINER_OF(l, struct inventory_read, link)->id, due));
        list_append(&inv->reading, l);
    }
}

void inventory_read(struct inventory *inv, struct inventory_read *r, const char *id)
{
    str_copy(r->id, sizeof(r->id), id);
    list_append(&inv->reads, &r->link);
    loop_timer_start(engine_loop(inv->options.engine), &inv->due, 0, on_due);
}

bool inventory_knows(const struct inventory *inv, const char *id)
{
    return map_find(&inv->known, id) != NULL;
}

void inventory_read_cancel(struct inventory_read *r)
{
    if (r->link.next)
        list_unlink(&r->link);
}

/* --- the work --- */

static void on_retry(struct loop_timer *t)
{
    work_next(CONTAINER_OF(t, struct inventory, retry));
}

/* Schedules a snapshot after a failure: the server's list may be wrong now. */
static void start_over(struct inventory *inv, const char *why)
{
    if (!inv->is_failing)
        log_warn(NULL, "could not send the container list: %s", why);
    inv->is_failing = true;
    inv->wants_snapshot = true;
    loop_timer_start(engine_loop(inv->options.engine), &inv->retry, RETRY_MS, on_retry);
}

static void put_due(struct inventory *inv, const char *id, size_t reads)
{
    struct due *due = map_find(&inv->dirty, id);

    if (!due && inv->dirty.size >= MAX_DIRTY) {
        forget_all(&inv->dirty); /* reading the whole list is less work */
        inv->wants_check = true;
    }
    if (!due) {
        due = xcalloc(1, sizeof(*due));
        (void)map_put(&inv->dirty, id, due);
    } else if (due->reads == 0) {
        return; /* its first read is due soon */
    }
    due->at_ms = time_monotonic_ms() + read_delays_ms[reads];
    due->reads = reads;
}

/* Schedules the next read of containers that were read. */
static void reschedule_asked(struct inventory *inv)
{
    map_foreach(&inv->asked, e) {
        const struct due *due = e->value;

        if (due->reads + 1 < ARRAY_LEN(read_delays_ms) && !map_find(&inv->dirty, e->key))
            put_due(inv, e->key, due->reads + 1);
    }
    forget_all(&inv->asked);
}

static void on_list(void *owner, const struct container_list_result *result)
{
    struct inventory *inv = owner;
    enum inventory_work work = TAKE(inv->work, WORK_NONE);
    int r;

    inv->list = NULL;
    if (result->code < 0) {
        finish_reads(&inv->reading, result->code, NULL);
        start_over(inv, result->message);
        return;
    }
    if (work == WORK_SNAPSHOT) {
        r = send_snapshot(inv, result);
    } else {
        r = send_changes(inv, result, work == WORK_CHECK ? &inv->known : &inv->asked);
    }
    reschedule_asked(inv);
    finish_reads(&inv->reading, r, r < 0 ? NULL : result);
    if (r < 0) {
        start_over(inv, error_text(r));
    } else {
        inv->is_failing = false;
        work_next(inv);
    }
}

/* Moves the containers that are due, or all of them, from `dirty` to `asked`. */
static void take_due(struct inventory *inv, bool is_all)
{
    uint64_t now = time_monotonic_ms();
    struct map rest = {0};

    forget_all(&inv->asked);
    map_foreach(&inv->dirty, e) {
        const struct due *due = e->value;
        bool is_due = is_all || (due->at_ms <= now && inv->asked.size < MAX_ASKED);

        (void)map_put(is_due ? &inv->asked : &rest, e->key, e->value);
    }
    map_done(&inv->dirty);
    inv->dirty = rest;
}

static void start_work(struct inventory *inv, enum inventory_work work)
{
    const char *ids[MAX_ASKED];
    struct container_list_options o = {
        .engine = inv->options.engine, .facts = inv->options.facts, .done = on_list, .owner = inv};
    struct error err = ERROR_INIT;
    int r;

    if (work == WORK_READ) {
        take_reads(inv);
    } else {
        take_due(inv, work != WORK_DELTA);
    }
    if (work == WORK_DELTA || work == WORK_READ) {
        o.ids = ids;
        map_foreach(&inv->asked, e)
            ids[o.n_ids++] = e->key;
    }
    inv->work = work;
    r = container_list_start(&inv->list, &o, &err);
    if (r < 0) {
        inv->work = WORK_NONE;
        finish_reads(&inv->reading, r, NULL);
        start_over(inv, err.msg);
    }
}

/* Whether a container is due; if not, sets the timer for the next one. */
static bool check_due(struct inventory *inv)
{
    uint64_t now = time_monotonic_ms(), first = UINT64_MAX;

    map_foreach(&inv->dirty, e) {
        const struct due *due = e->value;

        if (due->at_ms < first)
            first = due->at_ms;
    }
    if (first <= now)
        return true;
    if (first != UINT64_MAX)
        loop_timer_start(engine_loop(inv->options.engine), &inv->due, first - now, on_due);
    return false;
}

static void work_next(struct inventory *inv)
{
    if (inv->list)
        return;
    if (!list_empty(&inv->reads)) {
        start_work(inv, WORK_READ);
        return;
    }
    if (loop_timer_is_running(&inv->retry))
        return;
    if (inv->wants_snapshot) {
        inv->wants_snapshot = inv->wants_check = false;
        start_work(inv, WORK_SNAPSHOT);
    } else if (check_due(inv)) {
        start_work(inv, WORK_DELTA);
    } else if (inv->wants_check) {
        inv->wants_check = false;
        start_work(inv, WORK_CHECK);
    }
}

static void on_check(struct loop_timer *t)
{
    struct inventory *inv = CONTAINER_OF(t, struct inventory, check);

    loop_timer_start(engine_loop(inv->options.engine), t, CHECK_MS, on_check);
    inv->wants_check = true;
    work_next(inv);
}

void inventory_pump(struct inventory *inv)
{
    struct events *events = inv->options.events;

    if (inv->next < events_first(events)) {
        inv->wants_check = true; /* events were dropped before they were read */
        inv->next = events_first(events);
    }
    for (; inv->next < events_end(events); inv->next++)
        put_due(inv, events_get(events, inv->next)->id, 0);
    work_next(inv);
}

void inventory_resync(struct inventory *inv)
{
    inv->wants_snapshot = true;
    loop_timer_stop(&inv->retry); /* the engine answers again */
    work_next(inv);
}

struct inventory *inventory_new(const struct inventory_options *o)
{
    struct inventory *inv = xcalloc(1, sizeof(*inv));

    inv->options = *o;
    inv->next = events_end(o->events);
    list_init(&inv->reads);
    list_init(&inv->reading);
    loop_timer_start(engine_loop(o->engine), &inv->check, CHECK_MS, on_check);
    inventory_resync(inv);
    return inv;
}

void inventory_free(struct inventory *inv)
{
    if (!inv)
        return;
    loop_timer_stop(&inv->due);
    loop_timer_stop(&inv->check);
    loop_timer_stop(&inv->retry);
    container_list_cancel(inv->list);
    forget_all(&inv->known);
    forget_all(&inv->dirty);
    forget_all(&inv->asked);
    finish_reads(&inv->reading, -ECANCELED, NULL);
    finish_reads(&inv->reads, -ECANCELED, NULL);
    free(inv);
}
