#include "net/timer_heap.h"
#include "base/alloc.h"

#include <assert.h>

static void place(struct timer_heap *h, size_t i, struct loop_timer *t)
{
    h->timers[i] = t;
    t->place = i + 1;
}

static void sift_up(struct timer_heap *h, size_t i)
{
    struct loop_timer *t = h->timers[i];

    while (i > 0) {
        size_t parent = (i - 1) / 2;

        if (h->timers[parent]->due_ns <= t->due_ns)
            break;
        place(h, i, h->timers[parent]);
        i = parent;
    }
    place(h, i, t);
}

static void sift_down(struct timer_heap *h, size_t i)
{
    struct loop_timer *t = h->timers[i];

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= h->n)
            break;
        if (child + 1 < h->n && h->timers[child + 1]->due_ns < h->timers[child]->due_ns)
            child++;
        if (t->due_ns <= h->timers[child]->due_ns)
            break;
        place(h, i, h->timers[child]);
        i = child;
    }
    place(h, i, t);
}

void timer_heap_done(struct timer_heap *h)
{
    free(h->timers);
    *h = (struct timer_heap){0};
}

void timer_heap_put(struct timer_heap *h, struct loop_timer *t)
{
    if (t->place == 0) {
        if (h->n == h->capacity) {
            h->capacity = h->capacity ? h->capacity * 2 : 16;
            h->timers = xrealloc(h->timers, h->capacity, sizeof(struct loop_timer *));
        }
        place(h, h->n++, t);
    }
    sift_up(h, t->place - 1);
    sift_down(h, t->place - 1);
}

void timer_heap_remove(struct timer_heap *h, struct loop_timer *t)
{
    size_t i = t->place - 1;
    struct loop_timer *last;

    assert(t->place > 0 && t->place <= h->n && h->timers[i] == t);
    last = h->timers[--h->n];
    t->place = 0;
    if (last == t)
        return;
    place(h, i, last);
    sift_up(h, i);
    sift_down(h, last->place - 1);
}

struct loop_timer *timer_heap_first(const struct timer_heap *h)
{
    return h->n > 0 ? h->timers[0] : NULL;
}
