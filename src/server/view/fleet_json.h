#pragma once

/*
 * Hosts and containers of the whole fleet as the API and the feed show them.
 */

#include "base/buf.h"
#include "server/fleet/fleet.h"
#include "server/rights/scope.h"

/*
 * Appends the host as JSON text, its containers counted within the scope; what does not change while it is just there
 * is kept in the host.
 */
void fleet_host_write_in(struct buf *out, struct fleet_host *h, const struct scope *scope);
/* The array of those in scope, by name. */
void fleet_hosts_write_in(struct buf *out, const struct fleet *f, const struct scope *scope);

struct fleet_selection {
    const char *host_id;       /* NULL or "": of all hosts */
    const struct scope *scope; /* NULL: everything */
    bool with_env;
};
/* The array of containers, by name within a host. */
void fleet_containers_write_in(struct buf *out,
                               const struct fleet *f,
                               const struct fleet_selection *selection);
