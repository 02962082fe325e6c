#pragma once

/*
 * The rate of a counter between two readings. There is no rate for the first reading, across a gap,
 * or if either value is unknown. A counter that shrinks, or whose subject was restarted, began at
 * 0: its value is the growth.
 */

#include "proto/metric.h"
#include "server/history/points.h"
#include <stdbool.h>

struct rate_reading {
    int64_t at_ms, value; /* METRIC_NONE: unknown */
    int64_t started;      /* any value that changes with a restart; METRIC_NONE: unknown */
};

/* Sets *ret to units per second; returns false if the rate is unknown. */
bool rate_between(const struct rate_reading *before,
                  const struct rate_reading *now,
                  int64_t max_gap_ms,
                  double *ret) _nodiscard_;

/* The longest time between two samples that counts as adjacent, for this step. */
int64_t rate_max_gap(int64_t step_ms);

/*
 * The rate of a counter at a step of `p`, since the step before. `p` must have the columns of
 * rate_columns().
 */
bool rate_of_points(const struct history_points *p, size_t step, size_t metric, double *ret)
    _nodiscard_;
uint64_t rate_columns(const char *series_name, uint64_t wanted);
