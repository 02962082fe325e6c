#pragma once

/*
 * Repeated work on the monotonic clock. Rounds are on a grid, so that they do not drift; a round
 * that is late by a whole interval begins a new grid.
 */

#include <stdbool.h>
#include <stdint.h>

/* Whether a round is due; if so, *at_ms becomes the time of the next one. */
bool interval_is_due(uint64_t *at_ms, uint64_t now_ms, uint64_t interval_ms);

/*
 * If one of two is due and the other would be within `near_ms`, both are: their grids are merged.
 */
void interval_merge(uint64_t *a_ms, uint64_t *b_ms, uint64_t now_ms, uint64_t near_ms);
