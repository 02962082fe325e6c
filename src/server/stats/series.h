#pragma once

/*
 * The name of a container's series in the history. It outlives the container, so that a re-created
 * container continues the same series: "project/service" of Compose, with "/N" from the second
 * container of the service on; for other containers the name, which never contains a slash. One-off
 * containers of Compose (`run`) have series of their own.
 */

#include "server/fleet/fleet.h"

#define STATS_SERIES_SIZE 256

void stats_series_name(const struct fleet_container *c, char ret[STATS_SERIES_SIZE]);
