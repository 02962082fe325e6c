#pragma once

/*
 * Rollup: a day of the finest tier, once it is over, is put together into the coarser ones. Small steps, so
 * that questions get in between; what is interrupted goes on where it was, and what is done twice replaces
 * itself. Synchronous, for jobs of one queue.
 */

#include "server/history/disk.h"

#define ROLLUP_DELAY_MS \
    (INT64_C(60) * 60 * 1000) /* after the end of the day, for what comes late */
#define ROLLUP_SERIES 50      /* in one step */

/* The day of this file, of the finest tier, has got rows: all of it is to be rolled up once more. */
int rollup_restart(struct tier_file *f, struct error *err) _nodiscard_;

/* Whether a file of a coarser tier has that day, of those that it spans. */
int rollup_has_day(struct tier_file *f, int64_t day_ms, bool *ret, struct error *err) _nodiscard_;

/* Does a step: 1 when there may be more to do, 0 when there is nothing. -EUCLEAN as in disk.h. */
int rollup_step(struct history_disk *d, int64_t now_ms, struct error *err) _nodiscard_;
