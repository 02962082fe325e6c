#pragma once

/*
 * The output of a shell on its way to the server, in pieces of 4 KiB (of a copy 32 KiB), as far as
 * the window of the server and the link allow. It is bounded by its owner, which pauses the engine
 * until the output is empty: it holds what one pause lets through. Storage is the caller's; the
 * channel must outlive it.
 */

#include "agent/common/channel.h"
#include "base/buf.h"
#include "docker/log_demux.h"

struct shell_output {
    const struct channel *channel;
    struct log_demux demux;
    struct buf pieces; /* one after another: stream, size (2 bytes), data */
    size_t max_piece;
    bool has_window; /* the server acknowledges output */
    int64_t credit;  /* the rest of the window */
};

/* `window` 0: the server bounds nothing. `max_piece`: bytes of an event, less than 64 KiB. */
void shell_output_init(struct shell_output *out,
                       const struct channel *channel,
                       bool has_tty,
                       int64_t window,
                       size_t max_piece);
void shell_output_done(struct shell_output *out);

/* -EPROTO: the output is not a sequence of frames. */
int shell_output_feed(struct shell_output *out, const void *data, size_t size) _nodiscard_;
bool shell_output_is_empty(const struct shell_output *out);
/* Sends what may be sent. 0, or negative when the link is busy and the caller should retry soon. */
int shell_output_pump(struct shell_output *out) _nodiscard_;
