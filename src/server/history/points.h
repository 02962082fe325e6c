#pragma once

/*
 * Samples put together into steps of time: the mean and the highest of gauges, the last of counters. Used to
 * answer questions and to make the coarser tiers.
 */

#include "proto/metric.h"
#include "server/history/chunk.h"
#include "server/history/tier.h"
#include <stdbool.h>

#define POINTS_MAX 100000 /* steps */

/* What is known about one series' metrics: that of containers, or of hosts for the name "". */
struct metric_set {
    const struct metric *table;
    size_t n;
};
struct metric_set metric_set_of(const char *series_name);

/* Gauges of which a mean says something; of others, such as the time of a start, the last one counts. */
static inline bool metric_has_mean(const struct metric *m)
{
    return m->kind == METRIC_GAUGE && m->unit != METRIC_UTC_MS;
}

struct history_point {
    int64_t mean; /* counters, and gauges without a mean: the last one */
    int64_t max;  /* METRIC_NONE for those */
};

/* One metric over time. */
struct point_sums {
    __int128 sum;
    int64_t n, max, last;
};

struct history_points {
    int64_t from_ms, step_ms; /* from_ms: a whole number of steps */
    size_t n;                 /* steps */
    uint64_t columns;         /* of the metric set */
    struct metric_set set;
    int64_t *last_ms; /* of each step: the time of its newest sample; METRIC_NONE: no sample */
    struct point_sums
        *sums[CHUNK_MAX_COLUMNS]; /* of each step; NULL for a metric that is not wanted */
};

struct history_points_options {
    const char *series_name;
    int64_t from_ms, to_ms, step_ms; /* from is rounded down and to up to whole steps */
    uint64_t columns;
};

/* -EDOM when from is not before to, or there would be more than POINTS_MAX steps. */
int history_points_init(struct history_points *p,
                        const struct history_points_options *o,
                        struct error *err) _nodiscard_;
void history_points_done(struct history_points *p);

/* Adds the rows of a tier that are within the time. */
void history_points_add(struct history_points *p, enum tier tier, const struct history_rows *rows);
/* One sample of the finest kind. */
void history_points_add_sample(struct history_points *p,
                               int64_t at_ms,
                               const int64_t *values,
                               size_t n);

bool history_points_have(const struct history_points *p, size_t step);
struct history_point history_points_get(const struct history_points *p, size_t step, size_t metric);
