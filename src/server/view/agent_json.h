#pragma once

/*
 * An agent as the API shows it. The agent id and the engine id are no secrets here: the token is
 * another one, random and stored hashed.
 */

#include "server/fleet/fleet.h"

/* Element of /api/agent/list; the host must have an agent. */
json_t *agent_json(const struct fleet_host *h);
/* The "agent" member of a host; null if it has none. */
json_t *agent_json_of_host(const struct fleet_host *h);
/* The answer of /api/hosts/{id}/agent; the host must have an agent. */
json_t *agent_json_details(const struct fleet_host *h);
