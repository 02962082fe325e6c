#include "server/session/session_internal.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/inventory.h"

/*
 * The text of all parts and of the deltas between them: 5,000 containers of 6 KiB, and a reserve.
 */
#define INVENTORY_MAX_BYTES ((size_t)64 * 1024 * 1024)

void inventory_done(struct inventory *i)
{
    free(i->snapshot_id);
    json_decref(i->containers);
    json_decref(i->deltas);
    *i = (struct inventory){0};
}

void session_complain_skipped(struct session *se, const struct fleet_host *h, size_t n)
{
    if (n == 0)
        return;
    session_complain(se,
                     h->containers.size >= h->max_containers
                         ? "containers left out: the host has more than the limit"
                         : "containers left out: they could not be decoded",
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

static int add_part(struct session *se, const struct msg_inventory_snapshot *p, size_t size)
{
    struct inventory *i = &se->inventory;
    json_t *container;
    size_t n;

    if (p->part == 0) {
        inventory_done(i); /* an earlier snapshot remains unfinished */
        i->snapshot_id = xstrdup(p->snapshot_id);
        i->containers = json_array();
        i->deltas = json_array();
    }
    if (!str_eq(i->snapshot_id, p->snapshot_id) || i->next_part != p->part) {
        session_complain(se, "snapshot dropped: a part of it is out of order", NULL);
        return -EPROTO;
    }
    i->next_part++;
    i->size += size;
    if (i->size > INVENTORY_MAX_BYTES) {
        session_complain(se, "snapshot dropped: it is too large", NULL);
        return -EMSGSIZE;
    }
    json_array_foreach(p->containers, n, container)
    {
        if (json_array_size(i->containers) < INVENTORY_MAX_CONTAINERS) {
            json_array_append(i->containers, container);
        } else {
            i->n_left_out++;
        }
    }
    return 0;
}

static void finish_snapshot(struct session *se)
{
    struct fleet_host *h = session_host(se);
    uint64_t version;
    size_t i, n_skipped;
    const json_t *delta;

    if (h) {
        version = h->containers_version;
        n_skipped = fleet_apply_snapshot(h, se->inventory.containers, time_utc_ms());
        session_complain_skipped(se, h, n_skipped + se->inventory.n_left_out);
        /* The deltas are newer than the snapshot, although they were received before its end. */
        json_array_foreach(se->inventory.deltas, i, delta) apply_delta(se, h, delta);
        if (h->containers_version != version)
            fleet_notify_containers(se->owner->o.fleet, h);
    }
    inventory_done(&se->inventory);
}

void session_on_snapshot(struct session *se, const json_t *payload, size_t size)
{
    _cleanup_(msg_inventory_snapshot_done) struct msg_inventory_snapshot p = {0};
    struct error err = ERROR_INIT;

    if (msg_inventory_snapshot_decode(payload, &p, &err) < 0) {
        session_complain(se, err.msg, NULL);
        inventory_done(&se->inventory);
        return;
    }
    if (add_part(se, &p, size) < 0) {
        inventory_done(&se->inventory);
        return;
    }
    if (p.last)
        finish_snapshot(se);
}

static void hold_delta(struct session *se, const json_t *payload, size_t size)
{
    se->inventory.size += size;
    if (se->inventory.size > INVENTORY_MAX_BYTES) {
        session_complain(se, "snapshot dropped: it is too large", NULL);
        inventory_done(&se->inventory);
        return;
    }
    json_array_append_new(se->inventory.deltas, json_deep_copy(payload));
}

void session_on_delta(struct session *se, const json_t *payload, size_t size)
{
    struct fleet_host *h = session_host(se);
    uint64_t version;

    if (!h)
        return;
    if (se->inventory.snapshot_id) {
        hold_delta(se, payload, size);
        return;
    }
    version = h->containers_version;
    apply_delta(se, h, payload);
    if (h->containers_version != version)
        fleet_notify_containers(se->owner->o.fleet, h);
}
