#pragma once

/*
 * Objects that call their owner and may be freed by it from inside that call.
 *
 * An object on the event loop (a stream, a WebSocket, an HTTP connection) runs in callbacks of the
 * loop and calls functions of its owner from them. The owner may free the object there, while
 * functions of it are still on the stack. All such objects follow the same rules:
 *
 * - The object's last state (X_FREED, X_DONE) means that it was freed or has ended. It owns only
 *   its memory then: x_free() has released descriptors, timers and registrations at once, and the
 *   object does not call its owner again.
 * - Every entry from the loop is wrapped in enter() and leave(), which count the depth. The memory
 *   is freed when the outermost leave() finds the last state, or in x_free() if the object is not
 *   inside any entry.
 * - Between enter() and leave() the object is valid memory. After each call of the owner the code
 *   checks the state before it continues; no `is_gone` flag and no boolean result is passed up the
 *   stack. After leave() the object may be freed, so leave() is the last statement.
 *
 *     static void leave(struct x *x)                         void x_free(struct x *x)
 *     {                                                      {
 *         reentry_leave(&x->entry, x->state == X_FREED,          if (!x || x->state == X_FREED)
 *                       destroy, x);                                 return;
 *     }                                                          enter(x);
 *                                                                release(x);
 *     static void on_io(struct loop_io *io, ...)                 set_state(x, X_FREED);
 *     {                                                          leave(x);
 *         struct x *x = CONTAINER_OF(...);                   }
 *
 *         enter(x);
 *         x->handler->on_data(x->owner, ...);   the owner may call x_free() here
 *         if (x->state == X_OPEN)
 *             read_more(x);
 *         leave(x);                             x may be freed now
 *     }
 *
 * A depth rather than a flag, because entries nest: a handler of a stream sends on it, a WebSocket
 * that is entered by its socket enters itself to report.
 */

#include <assert.h>
#include <stdbool.h>

struct reentry {
    unsigned depth; /* entries that are on the stack */
};

static inline void reentry_enter(struct reentry *r)
{
    r->depth++;
}

/*
 * Ends an entry. Calls destroy(object) when it was the outermost one and the object was freed. Not inline: a
 * static analyzer does not know that an inner entry never destroys.
 */
void reentry_leave(struct reentry *r, bool is_freed, void (*destroy)(void *object), void *object);

static inline bool reentry_is_inside(const struct reentry *r)
{
    return r->depth > 0;
}
