#pragma once

/*
 * Samples of agents on their way into the live model.
 */

#include "proto/samples.h"
#include "proto/stats.h"
#include "server/fleet/fleet.h"

/* false: the host has no such container (yet). */
bool sample_put(struct fleet_host *h, const struct msg_container_stats *m);
void sample_put_host(struct fleet_host *h, const struct msg_host_stats *m);
void samples_put(struct fleet_host *h, const struct samples *s); /* and where they come from */
