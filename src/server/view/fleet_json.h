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
/*
 * Appends the array of the hosts in scope, sorted by name. Hosts that do not fit into `max` bytes
 * are left out, and the result is false; 0: no limit.
 */
bool fleet_hosts_write_in(struct buf *out,
                          const struct fleet *f,
                          const struct scope *scope,
                          size_t max);

struct fleet_selection {
    const char *host_id;       /* NULL or "": all hosts */
    const struct scope *scope; /* NULL: no restriction */
    bool with_secrets;
    size_t max_container; /* bytes of JSON; larger ones are left out. 0: no limit */
    size_t max;           /* bytes of the array; it ends before them. 0: no limit */
};
/*
 * Appends the array of containers, those of each host sorted by name. False: some are missing, as
 * the array has reached its maximum.
 */
bool fleet_containers_write_in(struct buf *out,
                               const struct fleet *f,
                               const struct fleet_selection *selection);
