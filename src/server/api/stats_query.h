#pragma once

/*
 * What a request for the past asks for: range=1h|8h|24h|7d|30d, or from (since) and to; step, metrics, marks, format.
 */

#include "server/api/call.h"
#include "server/history/points.h"

#define STATS_MAX_POINTS 10000 /* steps of one answer */
#define STATS_MAX_VALUES 50000 /* steps times metrics: what is written in some milliseconds */

struct stats_query {
    int64_t from_ms, to_ms, step_ms; /* from and step: whole numbers of steps, and of 10 s */
    uint64_t columns;                /* of the metric set */
    bool is_named;                   /* `metrics` was given */
    bool with_marks, is_csv;
};

/* -EINVAL (400) without a time, -EDOM (422) for what makes no sense or would be too much. */
int stats_query_read(const struct api_call *call,
                     struct metric_set set,
                     int64_t now_ms,
                     struct stats_query *ret,
                     struct error *err) _nodiscard_;

/* The metrics that an answer has when none are named. */
uint64_t stats_usual_columns(struct metric_set set);
