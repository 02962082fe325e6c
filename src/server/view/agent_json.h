#pragma once

/*
 * An agent as the API shows it. Agent id and engine id are not secret: the token is a separate
 * random value, of which only the hash is stored.
 */

#include "server/fleet/fleet.h"

/* Returns an element of /api/agent/list. The host must have an agent. */
json_t *agent_json(const struct fleet_host *h);
/* Returns the "agent" member of a host, or null if it has no agent. */
json_t *agent_json_of_host(const struct fleet_host *h);
/*
 * Returns the response of /api/hosts/{id}/agent. The host must have an agent. `latest` is the
 * version that the server offers for it, or NULL.
 */
json_t *agent_json_details(const struct fleet_host *h, const char *latest);
