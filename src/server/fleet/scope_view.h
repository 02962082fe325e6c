#pragma once

/*
 * Applies a scope to the fleet: finds the hosts and containers that an identity may see and change.
 */

#include "server/fleet/fleet.h"
#include "server/rights/scope.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The rules that match one host, evaluated once for all of its containers. Borrows the scope. */
struct scope_view {
    const struct scope *scope;
    uint32_t own, ceiling; /* a bit for each rule whose conditions on the host are true */
};

void scope_view_host(const struct scope *s, const struct fleet_host *h, struct scope_view *ret);
/* True: the host is visible; whether its containers are depends on their labels. */
bool scope_view_any(const struct scope_view *v);
/* True: everything on the host is visible. */
bool scope_view_whole(const struct scope_view *v);
/* True: a container of the host with these labels is visible. */
bool scope_view_labels(const struct scope_view *v, const json_t *labels);
bool scope_view_container(const struct scope_view *v, const struct fleet_container *c);
/* True: the samples of the host itself are visible. They tell about all containers, so that this
 * needs the whole host. Routes express the same rule as OBJECT_WHOLE_HOST. */
bool scope_view_host_samples(const struct scope_view *v);
/* Counts the visible containers, or those that run. Every count of containers that leaves the
 * server comes from here. */
size_t scope_view_count(const struct scope_view *v, const struct fleet_host *h, bool only_running);

/*
 * Finds a host that the scope may see by its id, its name, or a unique prefix of the id of at least
 * SCOPE_LEAST_PREFIX characters, in this order. -ENOENT; -EEXIST: several match. Hosts out of scope
 * do not exist for the search.
 */
#define SCOPE_LEAST_PREFIX 4
int scope_find_host(const struct scope *s,
                    const struct fleet *f,
                    const char *ref,
                    struct fleet_host **ret) _nodiscard_;

/* The same for a single host or container. */
bool scope_allows_host(const struct scope *s, const struct fleet_host *h);
/*
 * Decides on images, networks, volumes, events and the host itself, which belong to no container.
 */
bool scope_allows_whole_host(const struct scope *s, const struct fleet_host *h);
bool scope_allows_container(const struct scope *s,
                            const struct fleet_host *h,
                            const struct fleet_container *c);
