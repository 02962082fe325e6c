#pragma once

/*
 * Images, networks and volumes as the API shows them: the members that agents of both kinds send, with
 * lists that are never null and types that can be relied on.
 */

#include <jansson.h>

enum resource_shape {
    SHAPE_IMAGE,
    SHAPE_NETWORK,
    SHAPE_VOLUME,
    SHAPE_PRUNED_IMAGES,
    SHAPE_PRUNED_NETWORKS,
    SHAPE_PRUNED_VOLUMES,
};

/* NULL when `v` is no object. */
json_t *resource_json(enum resource_shape shape, const json_t *v);
/* Elements that are no objects are left out. null is the empty list of a Go agent. NULL when it is no list. */
json_t *resource_json_list(enum resource_shape shape, const json_t *v);
