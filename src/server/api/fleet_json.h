#pragma once

/*
 * Hosts and containers of the whole fleet as the API and the feed show them.
 */

#include "base/buf.h"
#include "server/auth/scope.h"
#include "server/fleet/fleet.h"

/* Appends the host as JSON text; what does not change while it is just there is kept in the host. */
void fleet_host_write(struct buf *out, struct fleet_host *h);
void fleet_hosts_write(struct buf *out, const struct fleet *f); /* the array, by name */
/* What there is of it in a scope: its containers are counted within. */
void fleet_host_write_in(struct buf *out, struct fleet_host *h, const struct scope *scope);
void fleet_hosts_write_in(struct buf *out, const struct fleet *f, const struct scope *scope);
/* The array of containers, as text: of one host, or with host_id NULL or "" of all; by name within a host. */
void fleet_containers_write(struct buf *out,
                            const struct fleet *f,
                            const char *host_id,
                            bool with_env);

struct fleet_selection {
    const char *host_id;       /* NULL or "": of all hosts */
    const struct scope *scope; /* NULL: everything */
    bool with_env;
};
void fleet_containers_write_in(struct buf *out,
                               const struct fleet *f,
                               const struct fleet_selection *selection);
