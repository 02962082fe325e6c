#pragma once

/*
 * Listeners: one object, the source, notifies other objects of its events without knowing them.
 *
 * A source that can be listened to defines a struct of callbacks whose first member is a struct
 * listener named `base`, holds a struct listeners, and emits with listeners_emit():
 *
 *     struct door_listener {
 *         struct listener base;
 *         void (*on_open)(struct door_listener *l, const struct door *door);   NULL: not wanted
 *     };
 *
 *     listeners_emit(&door->listeners, struct door_listener, on_open, door);
 *
 * An object that listens embeds that struct and recovers itself with CONTAINER_OF(), as with the
 * watches and timers of the loop:
 *
 *     static void on_open(struct door_listener *l, const struct door *door)
 *     {
 *         struct lamp *lamp = CONTAINER_OF(l, struct lamp, door);
 *
 * Ownership: the list owns nothing. The owner of a listener removes it before it frees it; the
 * owner of the list calls listeners_done(), after which it is harmless to remove its listeners.
 *
 * Order: listeners are called in the order in which they were added, but none may depend on another
 * having been called before it. Two steps that need an order are one function of one module.
 *
 * During an emission, from within any callback and at any depth:
 *   - any listener may be removed and freed, also the one that is being called and the next one;
 *     a removed listener is not called;
 *   - listeners may be added; emissions in progress do not reach them. This also holds for one that
 *     is removed and added again;
 *   - the same source may emit again (nested): the inner emission ends first;
 *   - the source itself may be freed: after listeners_done() no further listener is called, and
 *     arguments that point into the source are not used.
 */

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

/* A member of the listening object. Zeroed: on no list. */
struct listener {
    struct listeners *list; /* NULL: on none */
    struct listener *prev, *next;
    uint64_t number; /* grows in the order of the list */
};

/* A member of the source. Zeroed: empty. */
struct listeners {
    struct listener *first, *last;
    struct listeners_walk *walk; /* the innermost emission under way, or NULL */
    uint64_t n_added;
};

/* Adds a listener that is on no list. */
void listeners_add(struct listeners *list, struct listener *l);
/* Takes it off the list that it is on, if any. */
void listeners_remove(struct listener *l);
bool listeners_is_empty(const struct listeners *list);
/* Takes all listeners off and ends the emissions under way. */
void listeners_done(struct listeners *list);

/*
 * Calls `callback` of every listener that has one, with the arguments (at least one) after itself.
 */
#define listeners_emit(listeners, type, callback, ...)         \
    do {                                                       \
        struct listeners_walk _walk;                           \
        struct listener *_base;                                \
        listeners_walk_start(&_walk, (listeners));             \
        while ((_base = listeners_walk_next(&_walk))) {        \
            type *_listener = CONTAINER_OF(_base, type, base); \
            if (_listener->callback)                           \
                _listener->callback(_listener, __VA_ARGS__);   \
        }                                                      \
    } while (0)

/* One emission under way, on the stack of listeners_emit(). */
struct listeners_walk {
    struct listeners *list; /* NULL: it has ended */
    struct listener *next;
    uint64_t last; /* the number of the newest listener that it reaches */
    struct listeners_walk *outer;
};

void listeners_walk_start(struct listeners_walk *w, struct listeners *list);
/* NULL: there are no more, and the walk has ended. A walk must be taken to its end. */
struct listener *listeners_walk_next(struct listeners_walk *w);
