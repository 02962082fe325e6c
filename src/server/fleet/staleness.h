#pragma once

/*
 * The age of what the fleet holds: since when the state of a host and its containers is only the
 * last known one, and when a sample is too old to be shown.
 */

#include "server/fleet/fleet.h"

/*
 * Returns the time of the last contact with a host that is offline, or of the last list of one
 * whose engine does not answer, in UTC milliseconds; 0: its state is current, or was never known.
 */
int64_t fleet_host_stale_since(const struct fleet_host *h);
/* The same for its containers: the time of the last list. */
int64_t fleet_containers_stale_since(const struct fleet_host *h);

/*
 * Makes the metrics of samples unknown (-1) whose successors are missing: after three intervals of
 * that series, at least 15 s. Hosts with such samples are notified to the listeners as changed.
 */
void fleet_expire_samples(struct fleet *f, int64_t now_ms);
