#pragma once

/* Parts of an agent's description of a container that are too large to be kept whole. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct fleet_host;

/*
 * Copies labels up to FLEET_MAX_LABEL_BYTES, each value up to FLEET_MAX_LABEL; NULL gives NULL.
 * *ret_size is the memory that they take, in bytes.
 */
json_t *element_copy_labels(const json_t *from, size_t *ret_size);

/* Copies an element without members that are so long that it exceeds FLEET_MAX_ELEMENT. */
json_t *element_reduce(const json_t *element);

/*
 * The name of the first member of an element that is shortened or left out; NULL: none. `kept`: the
 * element itself, or what element_reduce() left of it.
 */
const char *element_find_cut(const json_t *element, const json_t *kept);

/*
 * Logs that a member of a container is cut, and returns whether it is; `field` NULL: it is not. The
 * warnings of a host are limited, as its agent can invent containers.
 */
bool element_warn_of_cut(struct fleet_host *h, const char *id, const char *field);

/* Logs that a member of a container's event is cut, unless the container has had such a warning. */
void element_note_event(struct fleet_host *h, const char *id, const char *field);
