#pragma once

/*
 * The bytes that a stream has still to send, and the end of its output. A member of the stream, for
 * net/ only.
 *
 * OPEN     bytes are taken
 * ENDING   send_queue_end() was called, the queue is being written
 * ENDED    the peer has been shown the end
 * BROKEN   the peer takes nothing more; further bytes are dropped
 */

#include "base/buf.h"
#include "net/wire.h"

enum send_queue_state { SEND_QUEUE_OPEN, SEND_QUEUE_ENDING, SEND_QUEUE_ENDED, SEND_QUEUE_BROKEN };

struct send_queue {
    struct buf queue;
    size_t sent; /* of the queue's front */
    enum send_queue_state state;
    const char *name; /* of the stream, for messages; borrowed */
};

void send_queue_init(struct send_queue *q, size_t max, const char *name);
void send_queue_done(struct send_queue *q);

/* -ENOBUFS with nothing queued when the queue would pass its maximum, -EPIPE after send_queue_end(). */
int send_queue_append(struct send_queue *q, const void *data, size_t size) _nodiscard_;
int send_queue_end(struct send_queue *q) _nodiscard_; /* -EPIPE: it was called before */

void send_queue_break(struct send_queue *q); /* the stream has ended */

bool send_queue_is_waiting(const struct send_queue *q); /* send_queue_flush() has something to do */
size_t send_queue_queued(const struct send_queue *q);
void send_queue_flush(struct send_queue *q, struct wire *w); /* writes what the peer takes */
