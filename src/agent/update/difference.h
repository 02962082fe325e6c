#pragma once

/*
 * Whether a container that was created by a plan has all that the plan asked for. An engine, or a
 * proxy in front of it, may drop a setting without an error, so the inspect of the new container is
 * compared with that of the old one, with the body that was really sent, and with what the engine
 * fills in for the new image alone (the probe).
 *
 * Each field of Config and HostConfig must have its old value, the value that was sent, or, where
 * none was sent, that of the probe. A table has the fields for which another rule holds: those that
 * the engine merges with the image, writes in another form, or gives to each new container. Mounts,
 * published ports and endpoints have rules of their own. Members that only the new container has
 * are no loss.
 */

#include "base/macros.h"
#include <jansson.h>
#include <stdbool.h>

#define DIFFERENCE_MAX 64

struct difference_source {    /* all borrowed */
    const json_t *before;     /* inspect of the old container, before the update */
    const json_t *after;      /* inspect of the new one, after its start if it is started */
    const json_t *create;     /* body that it was created with */
    const json_t *connect;    /* networks that it was connected to later: see plan.h; or NULL */
    const json_t *new_config; /* Config of its image; NULL: unknown */
    const json_t *probe;      /* inspect of a container of its image alone; NULL: unknown */
    bool is_podman;
};

/*
 * Array of {"path", "before", "after"}, at most DIFFERENCE_MAX: what was lost. `before` is the
 * value that was expected. Empty: nothing was lost. To be released.
 */
json_t *difference_find(const struct difference_source *s) _nodiscard_;

/* "HostConfig.Memory (33554432, now 0), ..." of such an array, to be freed; at most 600 bytes. */
char *difference_describe(const json_t *differences) _nodiscard_;

/*
 * Array of {"path", "before", "after"} of the values that two objects of JSON do not have in common,
 * at most `max`; paths begin with `prefix`. For previews. To be released.
 */
json_t *difference_list(const json_t *before, const json_t *after, const char *prefix, size_t max)
    _nodiscard_;
