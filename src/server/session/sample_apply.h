#pragma once

/*
 * Puts the samples of agents into the live model, and converts single samples into batches.
 */

#include "proto/samples.h"
#include "proto/stats.h"
#include "server/fleet/fleet.h"

/* False: the host has no such container (yet), or the sample is a copy of the newest one. */
bool sample_apply_container(struct fleet_host *h, const struct msg_container_stats *m);
/* is_derived: the metrics were not measured, but are a sum of the containers (host_sum.h). */
void sample_apply_host(struct fleet_host *h, const struct msg_host_stats *m, bool is_derived);
/*
 * Converts a single sample into a batch of one, with the metrics that such an agent measures.
 * *ret refers to *c, which refers to the host's container: neither outlives the call of the
 * listeners. False: the host has no such container.
 */
bool sample_to_batch(const struct fleet_host *h,
                     const struct msg_container_stats *m,
                     struct container_sample *c,
                     struct samples *ret);
void sample_host_to_batch(struct fleet_host *h,
                          const struct msg_host_stats *m,
                          struct samples *ret);
/*
 * Applies a batch: its newest samples unless it is late, and the source of the samples in any
 * case.
 */
void sample_apply_batch(struct fleet_host *h, const struct samples *s);
