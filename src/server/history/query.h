#pragma once

/*
 * Questions about the past. Each part of the time is answered from the coarsest tier that is fine enough
 * and has it, or else from the finest there is. Synchronous, for jobs of one queue.
 */

#include "server/history/disk.h"
#include "server/history/points.h"

struct history_query {
    const char *host, *series; /* series "": the host itself */
    int64_t from_ms, to_ms, step_ms;
    uint64_t columns; /* of the metric set of the series */
};

/* Fills *ret, to be given to history_points_done(). -EDOM for a question that makes no sense, -EUCLEAN as in disk.h. */
int history_read(struct history_disk *d,
                 const struct history_query *q,
                 struct history_points *ret,
                 struct error *err) _nodiscard_;
