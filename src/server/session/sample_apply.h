#pragma once

/*
 * Samples of agents on their way into the live model.
 */

#include "proto/samples.h"
#include "proto/stats.h"
#include "server/fleet/fleet.h"

/* false: the host has no such container (yet). */
bool sample_apply_container(struct fleet_host *h, const struct msg_container_stats *m);
void sample_apply_host(struct fleet_host *h, const struct msg_host_stats *m);
/*
 * The same as a batch of one, of what such an agent measures. False: the host has no such container. The batch points
 * to *c.
 */
bool sample_to_batch(const struct fleet_host *h,
                     const struct msg_container_stats *m,
                     struct container_sample *c,
                     struct samples *ret);
void sample_host_to_batch(const struct fleet_host *h,
                          const struct msg_host_stats *m,
                          struct samples *ret);
void sample_apply_batch(struct fleet_host *h,
                        const struct samples *s); /* and where they come from */
