#pragma once

/*
 * Images, networks and volumes as the API shows them: the members that all agents send, in fixed
 * types. Lists are never null.
 */

#include <jansson.h>

enum resource_shape {
    SHAPE_IMAGE,
    SHAPE_NETWORK,
    SHAPE_VOLUME,
    SHAPE_PRUNED_IMAGES,
    SHAPE_PRUNED_NETWORKS,
    SHAPE_PRUNED_VOLUMES,
    SHAPE_UNUSED_IMAGES, /* of a dry run */
    SHAPE_DISK_USAGE,    /* of one kind of objects */
};

/* Returns NULL if `v` is not an object. */
json_t *resource_json(enum resource_shape shape, const json_t *v);
/* Elements that are not objects are omitted. null counts as an empty list, as Go agents send it.
 * Returns NULL if `v` is not a list. */
json_t *resource_json_list(enum resource_shape shape, const json_t *v);
