#pragma once

/*
 * Samples of the history and of the last minutes as text: JSON for programs, CSV for spreadsheets.
 * An unknown value is null or an empty cell, never 0.
 */

#include "base/buf.h"
#include "server/api/stats_query.h"
#include "server/history/history.h"
#include "server/stats/stats.h"

struct stats_answer {
    const char *host_id, *container_id; /* container_id NULL: the host itself */
    const char *series;                 /* "": the host itself */
    const struct stats_query *query;
    const struct history_points *points; /* may begin before the query */
    const struct history_mark *marks;
    size_t n_marks;
};

/* Appends the response as a JSON object. */
void stats_json_write(struct buf *out, const struct stats_answer *a);
/* Appends the response as CSV with a header line (RFC 4180). */
void stats_csv_write(struct buf *out, const struct stats_answer *a);

/* Writes the last minutes of a series after a time. `series` NULL: no samples are known. */
void stats_live_write(struct buf *out, const struct stats_series *series, int64_t after_ms);
