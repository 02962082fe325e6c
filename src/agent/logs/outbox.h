#pragma once

/*
 * The lines of one follow on their way to the server, in messages of about 16 KiB, as far as the
 * window of the server and the link allow. It is bounded by its owner, which reads nothing from the
 * engine until the outbox is empty: it holds the lines of one read at most. Storage is the
 * caller's; the channel must outlive it.
 */

#include "agent/common/channel.h"
#include "proto/log_stream.h"

struct log_outbox {
    const struct channel *channel;
    int64_t credit; /* the rest of the window */
    struct list batches;
};

void log_outbox_init(struct log_outbox *box, const struct channel *channel, int64_t window);
void log_outbox_done(struct log_outbox *box);

void log_outbox_add(struct log_outbox *box, const struct msg_log_line *line);
bool log_outbox_is_empty(const struct log_outbox *box);
/* Sends what may be sent. 0, or -ENOBUFS when the link is busy and the caller should retry soon. */
int log_outbox_pump(struct log_outbox *box) _nodiscard_;
