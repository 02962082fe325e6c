#pragma once

/*
 * Points combine rows into steps of any length: the mean and the maximum of gauges, the last value
 * of counters. Used to answer queries and to compute the coarser tiers.
 */

#include "proto/metric.h"
#include "server/history/chunk.h"
#include "server/history/tier.h"
#include <stdbool.h>

#define POINTS_MAX 100000 /* steps */

/* The metrics of a series: those of a host for the name "", else those of a container. */
struct metric_set {
    const struct metric *table;
    size_t n;
};
struct metric_set metric_set_of(const char *series_name);

/* Whether a mean of the gauge makes sense; for others, such as the time of a start, the last value
 * counts. */
static inline bool metric_has_mean(const struct metric *m)
{
    return m->kind == METRIC_GAUGE && m->unit != METRIC_UTC_MS;
}

struct history_point {
    int64_t mean; /* counters, and gauges without a mean: the last value */
    int64_t max;  /* METRIC_NONE for these */
};

/* One metric in one step. */
struct point_sums {
    __int128 sum;
    int64_t n, max, last;
};

struct history_points {
    int64_t from_ms, step_ms; /* from_ms: a multiple of step_ms */
    size_t n;                 /* steps */
    uint64_t columns;         /* a mask of the metric set */
    struct metric_set set;
    int64_t *last_ms; /* per step: the time of its newest sample; METRIC_NONE: no sample */
    struct point_sums *sums[CHUNK_MAX_COLUMNS]; /* per step; NULL: the metric is not in `columns` */
};

struct history_points_options {
    const char *series_name;
    int64_t from_ms, to_ms, step_ms; /* from_ms is rounded down, to_ms up, to whole steps */
    uint64_t columns;
};

/* -EDOM if from_ms is not before to_ms, or if there would be more than POINTS_MAX steps. */
int history_points_init(struct history_points *p,
                        const struct history_points_options *o,
                        struct error *err) _nodiscard_;
void history_points_done(struct history_points *p);

/* Adds the rows of a tier; rows outside of the span are ignored. */
void history_points_add(struct history_points *p, enum tier tier, const struct history_rows *rows);
/* Adds one sample of the finest tier. */
void history_points_add_sample(struct history_points *p,
                               int64_t at_ms,
                               const int64_t *values,
                               size_t n);

bool history_points_have(const struct history_points *p, size_t step);
struct history_point history_points_get(const struct history_points *p, size_t step, size_t metric);
