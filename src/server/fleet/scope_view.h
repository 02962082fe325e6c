#pragma once

/*
 * Applies a scope to the hosts and containers of the fleet: what an identity may see and touch.
 */

#include "server/fleet/fleet.h"
#include "server/rights/scope.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The rules that apply to one host, found once for all of its containers. */
struct scope_view {
    const struct scope *scope;
    uint32_t own, ceiling; /* a bit for each rule whose conditions on the host are met */
};

void scope_view_host(const struct scope *s, const struct fleet_host *h, struct scope_view *ret);
/* The host is visible, and perhaps some of its containers. */
bool scope_view_any(const struct scope_view *v);
/* Everything on the host is visible. */
bool scope_view_whole(const struct scope_view *v);
/* A container with these labels is visible. */
bool scope_view_labels(const struct scope_view *v, const json_t *labels);
bool scope_view_container(const struct scope_view *v, const struct fleet_container *c);

/* The same in one call. */
bool scope_allows_host(const struct scope *s, const struct fleet_host *h);
/* Images, networks, volumes, events and changes of the host itself, which belong to no container. */
bool scope_allows_whole_host(const struct scope *s, const struct fleet_host *h);
bool scope_allows_container(const struct scope *s,
                            const struct fleet_host *h,
                            const struct fleet_container *c);
