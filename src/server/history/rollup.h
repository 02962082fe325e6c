#pragma once

/*
 * Roll-up computes the coarser tiers from a day of the finest one, once the day is over. It works
 * in small steps, so that queries run in between. An interrupted roll-up continues where it
 * stopped; a step that is repeated replaces its own result. Synchronous; used by jobs of one queue
 * only.
 */

#include "server/history/disk.h"

#define ROLLUP_DELAY_MS (INT64_C(60) * 60 * 1000) /* after the end of the day, for late rows */
#define ROLLUP_SERIES   50                        /* per step */

/* Rows were added to the day of this file, which is of the finest tier: roll up all of it again. */
int rollup_restart(struct tier_file *f, struct error *err) _nodiscard_;

/* Whether a file of a coarser tier has that day, which is one of the days it spans. */
int rollup_has_day(struct tier_file *f, int64_t day_ms, bool *ret, struct error *err) _nodiscard_;

/* Does one step: 1 if there may be more to do, 0 if there is nothing. -EUCLEAN as in disk.h. */
int rollup_step(struct history_disk *d, int64_t now_ms, struct error *err) _nodiscard_;
