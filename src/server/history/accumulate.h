#pragma once

/*
 * The accumulator combines the samples of a host, which arrive at any rate, into one row per step
 * of the finest tier: the mean of gauges, the last value of counters. A row is emitted when a
 * sample of another step arrives, or when accumulator_flush() ends the step. Used on the loop only.
 */

#include "proto/samples.h"
#include "server/history/tick.h"
#include <stdbool.h>

#define ACCUMULATOR_MAX_SERIES (SAMPLES_MAX_CONTAINERS + 1) /* per host and step */

struct accumulator;

/* Takes ownership of the content of `data`. `step` counts steps of the finest tier since 1970. */
typedef void (*accumulated_fn)(void *owner, const char *host, int64_t step, struct buf *data);

struct accumulator *accumulator_new(accumulated_fn fn, void *owner);
/* NULL is fine; rows that were not flushed are lost */
void accumulator_free(struct accumulator *a);

/* The sums of one host at one time. Valid until the next call of accumulator_host() or
 * accumulator_flush(). */
struct host_sums;
struct host_sums *accumulator_host(struct accumulator *a, const char *host, int64_t at_ms);

/*
 * Adds one sample. `values`: one per metric of the series' metric set (points.h), METRIC_NONE if
 * unknown. `place`: the index of the series in its batch, less than ACCUMULATOR_MAX_SERIES; a
 * series that keeps its place is found without a lookup by name. Ignores series beyond
 * ACCUMULATOR_MAX_SERIES and names longer than TICK_MAX_NAME.
 */
void accumulator_add(struct host_sums *h, size_t place, const char *series, const int64_t *values);

/* Emits the rows of all steps before `before_step`. */
void accumulator_flush(struct accumulator *a, int64_t before_step);
