#pragma once

/*
 * Sealing turns the ticks of a host in the head log into chunks of the finest tier. The chunks are
 * written before the ticks are removed: after an interruption in between, sealing is repeated and
 * replaces the same rows. Synchronous; used by jobs of one queue only.
 */

#include "server/history/disk.h"

#define SEAL_ROWS 120 /* ticks in the head log that are worth sealing: 20 minutes */

/* How many series are kept in memory at a time (25 KB each), and how many are sealed per call;
 * further ones are ignored. */
#define SEAL_SERIES     1000
#define SEAL_MAX_SERIES TIER_SERIES_PER_DAY

/* Seals all ticks of the host in the head. -EUCLEAN: a file was damaged and has been set aside. */
int seal_host(struct history_disk *d, const char *host, struct error *err) _nodiscard_;
