#pragma once

/*
 * Sealing: the rows of a host in the head log become chunks of the finest tier. First the chunks are
 * written, then the rows removed: what is interrupted in between is done again and replaces the same rows.
 * Synchronous, for jobs of one queue.
 */

#include "server/history/disk.h"

#define SEAL_ROWS 120 /* of the head log: 20 minutes */

/* How many series are in memory at a time (25 KB each), and how many one sealing takes: others are left out. */
#define SEAL_SERIES     1000
#define SEAL_MAX_SERIES TIER_SERIES_PER_DAY

/* Seals what the host has in the head. -EUCLEAN: a file was damaged and has been set aside. */
int seal_host(struct history_disk *d, const char *host, struct error *err) _nodiscard_;
