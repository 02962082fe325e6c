#pragma once

/*
 * The containers that depend on another one, and that must be recreated or restarted with it. It
 * is pure: all it knows is the inspects of the containers.
 *
 *   a dependent                               parent recreated    parent restarted
 *   joins its network, pid or ipc namespace   recreate            restart
 *   has volumes-from it                       recreate            -
 *   is linked to it on the default bridge     recreate            -
 *   is linked to it on another network        restart             -
 *   compose: depends_on with restart: true    restart             restart, by an update only
 *
 * Dependents of dependents follow by the same table, and recreate wins over restart. One that is
 * stopped is recreated, because it could not be started any more, but not restarted. Containers
 * that an update has set aside or not installed yet (update_name_is_ours()) are never dependents.
 * A parent is named by its id, by the first 12 digits of it or by its name, as the engine does.
 */

#include "base/error.h"
#include <jansson.h>
#include <stdbool.h>

#define DEPENDENTS_MAX      64
#define DEPENDENTS_MAX_SEEN 10000 /* containers on the host */

/*
 * Dependents of the container `id` (64 digits) when it is recreated. `inspects` is an array of
 * replies to GET /containers/ID/json with that of `id` among them. *ret is the caller's: an array
 * of {"id", "name", "action": "recreate" or "restart", "reason"} in the order in which they are
 * started, parents first; stopped in reverse.
 *
 * -ELOOP: they depend on each other, the message has the names. -EMSGSIZE: more than
 * DEPENDENTS_MAX. -ENOENT: `id` is not among the inspects.
 */
int dependents_find(json_t **ret, const json_t *inspects, const char *id, struct error *err)
    _nodiscard_;

/* The same when it is only restarted: the containers in its namespaces, and those in theirs. */
int dependents_find_joined(json_t **ret, const json_t *inspects, const char *id, struct error *err)
    _nodiscard_;

/* The inspect of the container `id` (64 digits), borrowed from the array. NULL: it is not there. */
const json_t *dependents_get(const json_t *inspects, const char *id);

/* Whether a name (with or without slash) ends with .dmold-XXXXXXXX or .dmnew-XXXXXXXX. */
bool update_name_is_ours(const char *name);
