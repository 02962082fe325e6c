#pragma once

/*
 * The way of sample batches to the server, for as long as a connection lives: the spool sends through
 * it, the link implements it. It is handed from join/link.c through session/session.c to
 * session/report.c, which connects it with the spool; nothing between them wraps it.
 *
 * The functions must not call back into the spool. Answers of the server take the opposite way:
 * link -> session_on_receipt(), session_on_message() -> report -> spool_on_receipt(), spool_on_ack().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch_sink {
    /* Queues one binary message. 0, or -ENOBUFS (queue full, try again later), or another error. */
    int (*send)(struct batch_sink *sink, const void *data, size_t size);
    /* True while so much waits to be sent that batches from disk must wait, too. */
    bool (*is_busy)(struct batch_sink *sink);
    /* Asks for a receipt: spool_on_receipt() follows with this number, or a later one, once the
     * server's end of the connection has received everything sent so far. */
    int (*ask_receipt)(struct batch_sink *sink, uint64_t number);
};
