#include "server/session/session_internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/inventory.h"
#include "proto/json_text.h"

/*
 * The text of all parts and of the deltas between them: 5,000 containers of 6 KiB, and a reserve.
 * Its values limit the memory of the trees that finish_snapshot() makes of it.
 */
#define INVENTORY_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define INVENTORY_MAX_NODES (2 * (size_t)JSON_TEXT_MAX_NODES)

void inventory_done(struct session *se)
{
    struct inventory *i = &se->inventory;

    fleet_release(se->owner->o.fleet, i->size);
    free(i->snapshot_id);
    strings_done(&i->parts);
    strings_done(&i->deltas);
    *i = (struct inventory){0};
}

void session_complain_skipped(struct session *se, const struct fleet_host *h, size_t n)
{
    if (n == 0)
        return;
    session_complain(se,
                     h->containers.size >= h->max_containers
                         ? "containers left out: the host has more than the limit"
                         : "containers left out: they could not be decoded, or take more memory "
                           "than a host, or all hosts (--inventory-memory), may have",
                     NULL);
}

static void apply_delta(struct session *se, struct fleet_host *h, const json_t *payload)
{
    _cleanup_(msg_inventory_delta_done) struct msg_inventory_delta d = {0};
    size_t n_skipped; /* containers that remain unchanged */

    if (msg_inventory_delta_decode(payload, &d, NULL) < 0)
        return;
    n_skipped = fleet_apply_delta(h, d.containers, &d.removed, time_utc_ms());
    session_complain_skipped(se, h, n_skipped);
}

/* Keeps a value as text until the snapshot is complete. */
static int hold(struct session *se, struct strings *list, const json_t *v)
{
    struct inventory *i = &se->inventory;
    size_t size;
    _cleanup_free_ char *text = json_text_write(v, &size);

    i->n_nodes += json_text_count_nodes(text, size);
    if (i->size + size > INVENTORY_MAX_BYTES || i->n_nodes > INVENTORY_MAX_NODES) {
        session_complain(se, "snapshot dropped: it is too large", NULL);
        return -EMSGSIZE;
    }
    if (!fleet_reserve(se->owner->o.fleet, size)) {
        session_complain(se,
                         "snapshot dropped: all hosts take more memory than "
                         "--inventory-memory allows",
                         NULL);
        return -ENOBUFS;
    }
    i->size += size;
    strings_add(list, text);
    return 0;
}

static int add_part(struct session *se, const struct msg_inventory_snapshot *p)
{
    struct inventory *i = &se->inventory;

    if (p->part == 0) {
        inventory_done(se); /* an earlier snapshot remains unfinished */
        i->snapshot_id = xstrdup(p->snapshot_id);
    }
    if (!str_eq(i->snapshot_id, p->snapshot_id) || i->next_part != p->part) {
        session_complain(se, "snapshot dropped: a part of it is out of order", NULL);
        return -EPROTO;
    }
    i->next_part++;
    return p->last ? 0 : hold(se, &i->parts, p->containers);
}

static json_t *read_held(char *text)
{
    json_t *v = json_text_parse(text, strlen(text), 0, NULL);

    assert(v); /* json_text_write() has written it */
    return v;
}

static void append_part(json_t *list, const json_t *part, size_t *n_left_out)
{
    json_t *container;
    size_t n;

    json_array_foreach(part, n, container)
    {
        if (json_array_size(list) < INVENTORY_MAX_CONTAINERS) {
            json_array_append(list, container);
        } else {
            (*n_left_out)++;
        }
    }
}

/* Returns the containers of all parts; each text is freed as soon as it is read. */
static json_t *join_parts(struct strings *parts, const json_t *last, size_t *n_left_out)
{
    json_t *list = json_array();

    for (size_t i = 0; i < parts->n; i++) {
        json_auto_t *part = read_held(parts->items[i]);

        free(TAKE_PTR(parts->items[i]));
        append_part(list, part, n_left_out);
    }
    append_part(list, last, n_left_out);
    return list;
}

/* The text of the parts is freed: its memory is that of the containers now. */
static void release_parts(struct session *se)
{
    fleet_release(se->owner->o.fleet, se->inventory.size);
    se->inventory.size = 0;
}

static void finish_snapshot(struct session *se, const json_t *last)
{
    struct fleet_host *h = session_host(se);
    struct inventory *held = &se->inventory;
    json_auto_t *list = NULL;
    size_t n_left_out = 0;
    uint64_t version;

    if (h) {
        version = h->containers_version;
        list = join_parts(&held->parts, last, &n_left_out);
        release_parts(se);
        n_left_out += fleet_apply_snapshot(h, list, time_utc_ms());
        session_complain_skipped(se, h, n_left_out);
        /* The deltas are newer than the snapshot, although they were received before its end. */
        for (size_t i = 0; i < held->deltas.n; i++) {
            json_auto_t *delta = read_held(held->deltas.items[i]);

            apply_delta(se, h, delta);
        }
        if (h->containers_version != version)
            fleet_notify_containers(se->owner->o.fleet, h);
    }
    inventory_done(se);
}

void session_on_snapshot(struct session *se, const json_t *payload, size_t size _unused_)
{
    _cleanup_(msg_inventory_snapshot_done) struct msg_inventory_snapshot p = {0};
    struct error err = ERROR_INIT;

    if (msg_inventory_snapshot_decode(payload, &p, &err) < 0) {
        session_complain(se, err.msg, NULL);
        inventory_done(se);
        return;
    }
    if (add_part(se, &p) < 0) {
        inventory_done(se);
        return;
    }
    if (p.last)
        finish_snapshot(se, p.containers);
}

void session_on_delta(struct session *se, const json_t *payload, size_t size _unused_)
{
    struct fleet_host *h = session_host(se);
    uint64_t version;

    if (!h)
        return;
    if (se->inventory.snapshot_id) {
        if (hold(se, &se->inventory.deltas, payload) < 0)
            inventory_done(se);
        return;
    }
    version = h->containers_version;
    apply_delta(se, h, payload);
    if (h->containers_version != version)
        fleet_notify_containers(se->owner->o.fleet, h);
}
