#pragma once

/*
 * Arguments of the operations on images, networks and volumes (TAKES_RESOURCE). One struct serves
 * all: each operation names one object, or creates one. References are checked here, so they may
 * enter a request path.
 */

#include "base/error.h"
#include "base/macros.h"
#include "proto/operation.h"
#include <jansson.h>
#include <stdbool.h>

struct resource_args {
    char *ref; /* "image_id", "network_id", "volume_name", or the "name" of the object to create */
    bool force;
    char *driver;           /* of the object to create; "" or NULL: the engine's choice */
    char *subnet, *gateway; /* create_network; "" or NULL: the engine's choice */
    bool internal;
    bool is_dry_run; /* prune_...: only names what would be removed */
    bool dangling;   /* prune_images: only images without a name */
    bool anonymous;  /* prune_volumes: only volumes that nobody has named */
    json_t *labels;  /* create_volume: an object of strings, or NULL */
};

/* On failure `err` names the invalid field and the reason, and `ret` is already done. */
int resource_args_decode(enum operation_id operation,
                         const json_t *payload,
                         struct resource_args *ret,
                         struct error *err) _nodiscard_;
void resource_args_done(struct resource_args *a);

/* Returns the payload of a request; the caller owns it. */
json_t *resource_args_encode(enum operation_id operation, const struct resource_args *a)
    _nodiscard_;
