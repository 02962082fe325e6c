#pragma once

/*
 * Lines of one log stream on their way to the server, in messages of about 16 KiB, as far as the server's window and
 * the link allow. What waits here is what one read of the engine gave: the owner reads no more until it is empty.
 */

#include "agent/common/sender.h"
#include "base/list.h"
#include "proto/log_stream.h"

struct log_outbox {
    const struct sender *sender;
    const char *stream_id; /* borrowed */
    int64_t credit;
    struct list batches;
};

void log_outbox_init(struct log_outbox *box,
                     const struct sender *sender,
                     const char *stream_id,
                     int64_t window);
void log_outbox_done(struct log_outbox *box);

void log_outbox_add(struct log_outbox *box, const struct msg_log_line *line);
bool log_outbox_is_empty(const struct log_outbox *box);
/* Sends what may be sent: 0, or -ENOBUFS when the link is busy and it should be tried again soon. */
int log_outbox_pump(struct log_outbox *box) _nodiscard_;
