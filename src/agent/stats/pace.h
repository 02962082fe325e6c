#pragma once

/*
 * When what is done regularly is due, by the monotonic clock. Rounds are on a grid, so that they do not drift; one that
 * came too late to keep to it begins a new grid.
 */

#include <stdbool.h>
#include <stdint.h>

/* Whether it is time, and if so *at_ms is when it will be again. */
bool pace_is_due(uint64_t *at_ms, uint64_t now_ms, uint64_t interval_ms);

/* When one of two is due, the other is, too, if it would be within `near_ms`: their grids become one. */
void pace_meet(uint64_t *a_ms, uint64_t *b_ms, uint64_t now_ms, uint64_t near_ms);
