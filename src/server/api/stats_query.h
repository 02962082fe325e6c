#pragma once

/*
 * The parameters of a request for the history: range=1h|8h|24h|7d|30d, or from (or since) and to;
 * step, metrics, marks and format. With a range, `since` leaves out the steps up to that time.
 */

#include "server/api/call.h"
#include "server/history/points.h"

#define STATS_MAX_POINTS 10000 /* steps of one response */
#define STATS_MAX_VALUES 50000 /* steps times metrics; written in a few milliseconds */

/* A range by name. DockMon's API calls it a tier. */
struct stats_range {
    const char *name;
    int64_t ms;
};

struct stats_query {
    /* from is a multiple of the step, and the step one of 10 s. Without steps after `since`, from
     * is the end of the last step, which may be later than to. */
    int64_t from_ms, to_ms, step_ms;
    int64_t now_ms;
    const struct stats_range *range; /* the requested or the shortest that is as long as from..to */
    uint64_t columns;                /* bits of the metric set */
    bool is_named;                   /* `metrics` was given */
    bool with_marks, is_csv;
};

/* Returns -EINVAL (400) when no time is given, and -EDOM (422) for invalid or too large
 * requests. */
int stats_query_read(const struct api_call *call,
                     struct metric_set set,
                     int64_t now_ms,
                     struct stats_query *ret,
                     struct error *err) _nodiscard_;

/* Returns the metrics of a response when the request names none. */
uint64_t stats_usual_columns(struct metric_set set);
