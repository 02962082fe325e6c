#pragma once

/*
 * An agent as the API shows it. The agent id and the engine id are no secrets here: the token is
 * another one, random and stored hashed.
 */

#include "server/fleet/fleet.h"

json_t *agent_json(const struct fleet_host *h); /* element of /api/agent/list */
json_t *agent_json_of_host(
    const struct fleet_host *h); /* the "agent" member of a host; null if it has none */
