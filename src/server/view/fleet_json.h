#pragma once

/*
 * Hosts and containers of the whole fleet as the API and the feed show them.
 */

#include "base/buf.h"
#include "server/fleet/fleet.h"
#include "server/rights/scope.h"

/*
 * Appends the host as JSON text. Containers are counted within the scope. The parts that samples do
 * not change are cached in the host.
 */
void fleet_host_write_in(struct buf *out, struct fleet_host *h, const struct scope *scope);
/* Appends the array of the hosts in scope, sorted by name. */
void fleet_hosts_write_in(struct buf *out, const struct fleet *f, const struct scope *scope);

struct fleet_selection {
    const char *host_id;       /* NULL or "": all hosts */
    const struct scope *scope; /* NULL: no restriction */
    bool with_secrets;
    size_t max_container; /* bytes of JSON; larger ones are left out. 0: no limit */
};
/* Appends the array of containers, sorted by host name, then by container name. */
void fleet_containers_write_in(struct buf *out,
                               const struct fleet *f,
                               const struct fleet_selection *selection);
