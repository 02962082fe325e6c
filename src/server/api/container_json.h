#pragma once

/*
 * A container as the API shows it: the field names of the API we are compatible with, made from the
 * Engine's list element as the agent passed it on.
 */

#include "server/fleet/fleet.h"

/* with_env: the environment is for operators and above, it usually holds passwords. */
json_t *container_json(const struct fleet_host *h, const struct fleet_container *c, bool with_env);
