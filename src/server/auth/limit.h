#pragma once

/*
 * Rate limit by key: at most `max_hits` within any window. Keys come from peers, so the table is bounded
 * and forgets the key that was used longest ago. Time is the caller's: nothing here reads a clock.
 */

#include "base/macros.h"
#include <stddef.h>
#include <stdint.h>

struct limit;

struct limit *limit_new(unsigned max_hits, uint64_t window_ms, size_t max_keys);
void limit_free(struct limit *l);

/* 0 and counted, or -EAGAIN, not counted, with the time until the next is possible. */
int limit_take(struct limit *l, const char *key, uint64_t now_ms, uint64_t *ret_wait_ms)
    _nodiscard_;
void limit_undo(struct limit *l, const char *key); /* the last hit does not count */
void limit_forget(struct limit *l, const char *key);
size_t limit_size(const struct limit *l);
