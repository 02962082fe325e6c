#pragma once

/*
 * Rate limit by key: at most `max_hits` within any window. Keys come from peers, so their number is
 * bounded; the least recently used key is dropped first. The caller passes the time.
 */

#include "base/macros.h"
#include <stddef.h>
#include <stdint.h>

struct limit;

/* At most max_hits per key within window_ms; at most max_keys are kept. */
struct limit *limit_new(unsigned max_hits, uint64_t window_ms, size_t max_keys);
void limit_free(struct limit *l);

/* Returns 0 and counts the hit, or -EAGAIN without counting it, with the time until the next one is
 * allowed. */
int limit_take(struct limit *l, const char *key, uint64_t now_ms, uint64_t *ret_wait_ms)
    _nodiscard_;
void limit_undo(struct limit *l, const char *key); /* removes the last hit */
void limit_forget(struct limit *l, const char *key);
/* Returns the number of keys. */
size_t limit_size(const struct limit *l);
