#pragma once

/*
 * Metrics of hosts whose agents measure none: the sums of the newest samples of their containers.
 * DockMon's agents in containers measure no host, nor do ours whose engine is on another machine.
 * The samples have the mark `is_derived`, and a measured one takes their place at once. A sum lacks
 * the processes outside containers; a metric that no container has, or whose total of the host is
 * unknown, stays unknown.
 */

#include "server/fleet/fleet.h"

#define HOST_SUM_AFTER_MS 5000 /* of agents that send measured samples every 2 s */

/*
 * Call after the model has taken a sample of a container. Derives the metrics of the host and
 * notifies the listeners of the fleet, unless it did so less than 2 s ago, or the agent has connected
 * or has sent metrics of the host within `after_ms`.
 */
void host_sum_update(struct fleet *f, struct fleet_host *h, uint64_t after_ms);
