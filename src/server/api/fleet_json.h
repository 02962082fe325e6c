#pragma once

/*
 * Hosts and containers of the whole fleet as the API and the feed show them.
 */

#include "base/buf.h"
#include "server/fleet/fleet.h"

json_t *fleet_host_json(const struct fleet_host *h);
json_t *fleet_hosts_json(const struct fleet *f); /* by name */
/* The array of containers, as text: of one host, or with host_id NULL or "" of all; by name within a host. */
void fleet_containers_write(struct buf *out,
                            const struct fleet *f,
                            const char *host_id,
                            bool with_env);
