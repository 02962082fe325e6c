#pragma once

/*
 * How fast a counter grew between two readings. Nothing is invented: not for the first reading, not over a gap, not
 * when either is unknown. A counter that shrinks has started over, and so has one whose subject has: what it
 * shows now is the growth.
 */

#include "proto/metric.h"
#include "server/history/points.h"
#include <stdbool.h>

struct rate_reading {
    int64_t at_ms, value; /* METRIC_NONE: not known */
    int64_t started;      /* anything that is another one after a start; METRIC_NONE: not known */
};

/* Units per second into *ret; false: not known. */
bool rate_between(const struct rate_reading *before,
                  const struct rate_reading *now,
                  int64_t max_gap_ms,
                  double *ret) _nodiscard_;

/* The longest time between two samples that are a step apart. */
int64_t rate_max_gap(int64_t step_ms);

/*
 * The rate of a counter at a step of an answer, since the step before. The answer must have the columns of
 * rate_columns().
 */
bool rate_of_points(const struct history_points *p, size_t step, size_t metric, double *ret)
    _nodiscard_;
uint64_t rate_columns(const char *series_name, uint64_t wanted);
