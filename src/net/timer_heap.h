#pragma once

/*
 * The running timers of a loop as a binary heap, earliest first. The timers are their owners'
 * members; the heap holds pointers and writes their place into them. Storage is the loop's.
 */

#include "net/loop.h"
#include <stddef.h>

struct timer_heap {
    struct loop_timer **timers;
    size_t n;
    size_t capacity;
};

void timer_heap_done(struct timer_heap *h);
void timer_heap_put(struct timer_heap *h, struct loop_timer *t); /* new, or moved to its due_ns */
void timer_heap_remove(struct timer_heap *h, struct loop_timer *t);
struct loop_timer *timer_heap_first(const struct timer_heap *h); /* NULL when empty */
