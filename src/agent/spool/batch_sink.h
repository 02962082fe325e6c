#pragma once

/*
 * A batch sink is the connection that batches are sent on; the link implements it. It is passed
 * from join/link.c through session/session.c to session/report.c, which connects it with the spool;
 * nothing between them wraps it.
 *
 * The functions must not call back into the spool. Answers of the server take the opposite
 * direction: link -> session_on_receipt(), session_on_message() -> report -> spool_on_receipt(),
 * spool_on_ack().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch_sink {
    /* Queues one binary message. Returns 0, -ENOBUFS if the queue is full (try again later), or
     * another negative errno. */
    int (*send)(struct batch_sink *sink, const void *data, size_t size);
    /* Whether the queue is so long that batches from disk must wait. */
    bool (*is_busy)(struct batch_sink *sink);
    /* Asks for a receipt: spool_on_receipt() is called with this number, or a later one, once the
     * server's end of the connection has read everything sent so far. */
    int (*ask_receipt)(struct batch_sink *sink, uint64_t number);
};
