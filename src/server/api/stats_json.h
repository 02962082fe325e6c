#pragma once

/*
 * Figures of the past and of the last minutes as text: JSON for programs, CSV for spreadsheets. What is not known is
 * null, or an empty cell; never 0.
 */

#include "base/buf.h"
#include "server/api/stats_query.h"
#include "server/history/history.h"
#include "server/stats/stats.h"

struct stats_answer {
    const char *host_id, *container_id; /* NULL: the host itself */
    const char *series;                 /* "" the same */
    const struct stats_query *query;
    const struct history_points *points; /* may begin before the query does */
    const struct history_mark *marks;
    size_t n_marks;
};

void stats_json_write(struct buf *out, const struct stats_answer *a);
void stats_csv_write(struct buf *out, const struct stats_answer *a);

/* The last minutes of a line (NULL: nothing is known), after a time. */
void stats_live_write(struct buf *out, const struct stats_line *line, int64_t after_ms);
