#pragma once

/*
 * Answers queries about the past. Each day of the span is read from the coarsest tier that is fine
 * enough and has that day, else from the finest one that exists; rows of the head log are added.
 * Synchronous; used by jobs of one queue only.
 */

#include "server/history/disk.h"
#include "server/history/points.h"

struct history_query {
    const char *host, *series; /* series "": the host itself */
    int64_t from_ms, to_ms, step_ms;
    uint64_t columns; /* a mask of the metric set of the series */
};

/* Fills *ret, which the caller releases with history_points_done(). -EDOM if the query is invalid,
 * -EUCLEAN as in disk.h. */
int history_read(struct history_disk *d,
                 const struct history_query *q,
                 struct history_points *ret,
                 struct error *err) _nodiscard_;
