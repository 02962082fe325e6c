#pragma once

/*
 * The asynchronous end of an object, and the wait for it. Every function that starts an end and
 * reports it later (x_drain(), x_stop()) uses this pair, so that a report never reaches an object
 * that was freed.
 *
 * - The object that ends holds a `struct completion`. The function that starts the end hands the
 *   caller's wait to completion_await(); the end itself is completion_signal(); x_free() calls
 *   completion_done().
 * - The object that waits holds a `struct completion_wait` for each end that it waits for. The
 *   callback finds its object with CONTAINER_OF, as that of a timer does. x_free() calls
 *   completion_cancel() for each of them.
 *
 *     idle --await--> awaited --signal--> due --(from the loop)--> idle, then the callback runs
 *                        \__________________\-- cancel, done --> idle, and the callback never runs
 *
 * Both are members and zero-initialised. Either side may be freed first, in every state. The
 * callback runs at most once, never from inside completion_await() or completion_signal(), and may
 * free both objects. One object at a time may wait for a completion.
 *
 * Requests with an answer (engine_call, http_client_call, ...) keep the same promise in another
 * form: the caller holds the request and cancels it when it is freed itself.
 */

#include "net/loop.h"

struct completion_wait;
typedef void (*completion_fn)(struct completion_wait *w);

struct completion {
    struct completion_wait *wait; /* NULL: idle */
};

struct completion_wait {
    struct completion *completion; /* NULL: idle */
    completion_fn fn;
    struct loop_timer timer; /* runs: due */
};

void completion_await(struct completion *c, struct completion_wait *w, completion_fn fn);
bool completion_is_awaited(const struct completion *c);
/* The end has come. Without a wait, or when it is due already, nothing happens. */
void completion_signal(struct completion *c, struct loop *loop);
void completion_done(struct completion *c);
void completion_cancel(struct completion_wait *w);
