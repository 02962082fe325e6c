#pragma once

/*
 * What a container's line in the history is called: what outlives it, so that one made anew continues the line.
 * "project/service" of Compose, with "/N" from the second container of the service on; else its name, which never
 * holds a slash. One-off containers of Compose (`run`) are lines of their own.
 */

#include "server/fleet/fleet.h"

#define STATS_SERIES_SIZE 256

void stats_series_name(const struct fleet_container *c, char ret[STATS_SERIES_SIZE]);
