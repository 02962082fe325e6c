#pragma once

/*
 * The name of a container's series in the history. It outlives the container, so that a re-created
 * container continues the same series: "project/service" of Compose, with "/N" from the second
 * container of the service on; for other containers the name, which never contains a slash. One-off
 * containers of Compose (`run`) have series of their own.
 *
 * Labels can be forged. Of several containers of a host whose labels claim one series, the oldest
 * has it; the others are named as if they had no such labels, until it is removed.
 */

#include "base/map.h"
#include "server/fleet/fleet.h"

#define STATS_SERIES_SIZE 256

/* The claims of one host's containers. A zeroed struct is empty. */
struct series_claims {
    struct map owners; /* struct series_claim by series */
    uint64_t version;  /* containers_version of the host; 0: never built */
};
void series_claims_done(struct series_claims *claims);

/* Builds the claims again when the containers of the host have changed. */
void stats_series_name(struct series_claims *claims,
                       const struct fleet_host *h,
                       const struct fleet_container *c,
                       char ret[STATS_SERIES_SIZE]);
