#pragma once

/*
 * inventory_snapshot and inventory_delta: payloads of the events with which agents push the
 * container list to servers that support it. Elements are those of list_containers; see
 * container.h.
 */

#include "proto/codec.h"

#define INVENTORY_MAX_CONTAINERS 5000

struct msg_inventory_snapshot {
    char *snapshot_id; /* the same in all parts of one snapshot */
    int64_t part;      /* from 0, in order */
    bool last;         /* the list is complete with this part */
    json_t *containers;
};

struct msg_inventory_delta {
    json_t *containers;     /* elements that are new or changed; NULL: none */
    struct strings removed; /* ids of 64 hex digits */
};

int msg_inventory_snapshot_decode(const json_t *v,
                                  struct msg_inventory_snapshot *ret,
                                  struct error *err) _nodiscard_;
json_t *msg_inventory_snapshot_encode(const struct msg_inventory_snapshot *m) _nodiscard_;
void msg_inventory_snapshot_done(struct msg_inventory_snapshot *m);

int msg_inventory_delta_decode(const json_t *v, struct msg_inventory_delta *ret, struct error *err)
    _nodiscard_;
json_t *msg_inventory_delta_encode(const struct msg_inventory_delta *m) _nodiscard_;
void msg_inventory_delta_done(struct msg_inventory_delta *m);
