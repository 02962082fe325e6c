#pragma once

/* Parts of an agent's description of a container that are too large to be kept whole. */

#include <jansson.h>
#include <stddef.h>

/*
 * Copies labels up to FLEET_MAX_LABEL_BYTES, each value up to FLEET_MAX_LABEL; NULL gives NULL.
 * *ret_size is the memory that they take, in bytes.
 */
json_t *element_copy_labels(const json_t *from, size_t *ret_size);

/* Copies an element without members that are so long that it exceeds FLEET_MAX_ELEMENT. */
json_t *element_reduce(const json_t *element);
