#pragma once

/*
 * Rate limit by key: at most `max_hits` within any window. Keys come from peers, so their number is
 * bounded. A full table does not forget keys because a client adds many others: each key
 * belongs to the group of networks (net/network_key.h) that brought it. For a new key, the table
 * drops a key without hits in the window, or else one with the fewest hits among those of the
 * largest group, if that is larger than the group of the new key. A key that has used up its hits
 * is never dropped within its window. Without such a key, the new one is refused.
 *
 * There is one table for each use, so that keys of different uses never meet. The caller passes the
 * time.
 */

#include "base/macros.h"
#include <stddef.h>
#include <stdint.h>

struct limit;

/* At most max_hits per key within window_ms; at most max_keys are kept. */
struct limit *limit_new(unsigned max_hits, uint64_t window_ms, size_t max_keys);
void limit_free(struct limit *l);

/* Returns 0 and counts the hit, or -EAGAIN without counting it, with the time until the next one is
 * allowed. `group` is where a new key comes from. */
int limit_take(struct limit *l,
               const char *key,
               const char *group,
               uint64_t now_ms,
               uint64_t *ret_wait_ms) _nodiscard_;
void limit_undo(struct limit *l, const char *key); /* removes the last hit */
/* The same for a table by address, which counts networks (net/network_key.h). */
int limit_take_address(struct limit *l, const char *address, uint64_t now_ms, uint64_t *ret_wait_ms)
    _nodiscard_;
void limit_undo_address(struct limit *l, const char *address);
void limit_forget(struct limit *l, const char *key);
/* Returns the number of keys. */
size_t limit_size(const struct limit *l);
