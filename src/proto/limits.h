#pragma once

/*
 * Limits and the restart policy of a container that can be changed in place, as `docker update`
 * does: a JSON object whose members are those of the table in limits.c. The server checks the body
 * of a request with it, and the agent what it is sent.
 */

#include "base/error.h"
#include <jansson.h>

/*
 * -EDOM: `limits` is no object, is empty, or has an unknown member or one of a wrong type or
 * beyond its range; `err` names it.
 */
int limits_check(const json_t *limits, struct error *err) _nodiscard_;

/*
 * The body of the engine's POST /containers/{id}/update. `limits` has passed limits_check(). CPUs
 * become billionths of one.
 */
json_t *limits_to_engine(const json_t *limits) _nodiscard_;
