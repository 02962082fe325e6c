#pragma once

/*
 * From samples at any rate to one row for each host and step of the finest tier: means of gauges, the last of
 * counters. A row is given out when a sample of another step comes, or accumulator_flush() says that the
 * step is over. Lives on the loop.
 */

#include "proto/samples.h"
#include "server/history/tick.h"
#include <stdbool.h>

#define ACCUMULATOR_MAX_SERIES (SAMPLES_MAX_CONTAINERS + 1) /* of a host in one step */

struct accumulator;

/* `data` is given away; `step` is in steps of the finest tier. */
typedef void (*accumulated_fn)(void *owner, const char *host, int64_t step, struct buf *data);

struct accumulator *accumulator_new(accumulated_fn fn, void *owner);
void accumulator_free(struct accumulator *a); /* what was not flushed is lost */

/* Where samples of a host are added, of one time. Good until the next call of it or of accumulator_flush(). */
struct host_sums;
struct host_sums *accumulator_host(struct accumulator *a, const char *host, int64_t at_ms);

/*
 * Values of the series' metric set (points.h). `place`, less than ACCUMULATOR_MAX_SERIES: where it was in the batch; a
 * series that comes at the same place as the last time is found faster. Series with names over TICK_MAX_NAME are left out, and so
 * are those beyond ACCUMULATOR_MAX_SERIES.
 */
void accumulator_add(struct host_sums *h, size_t place, const char *series, const int64_t *values);

/* Gives out what lies before that step. */
void accumulator_flush(struct accumulator *a, int64_t before_step);
