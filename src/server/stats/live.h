#pragma once

/*
 * Reads the last minutes of a series as values, with the rates of its counters. The series must not
 * change meanwhile.
 */

#include "server/history/ring.h"
#include "server/stats/stats.h"

enum live_value {
    LIVE_CPU,         /* percent */
    LIVE_MEMORY,      /* percent of the limit */
    LIVE_NET,         /* bytes per second, received and sent */
    LIVE_MEMORY_USED, /* bytes */
    LIVE_MEMORY_LIMIT,
    LIVE_NET_RX,
    LIVE_NET_TX,
    LIVE_DISK_READ,
    LIVE_DISK_WRITE,
    LIVE_VALUES
};

struct live_point {
    int64_t at_ms;
    double values[LIVE_VALUES]; /* NAN: unknown */
};

struct live_reader {
    struct ring_reader ring;
    struct ring_row before; /* zeroed: none */
    int64_t after_ms;
    size_t n_skipped; /* points to skip */
};

/* Points after a time, oldest first. `series` may be NULL: there are none. */
void live_read_start(struct live_reader *r, const struct stats_series *series, int64_t after_ms);
/* The newest n points, oldest first. */
void live_read_newest(struct live_reader *r, const struct stats_series *series, size_t n);
bool live_read_next(struct live_reader *r, struct live_point *ret);
