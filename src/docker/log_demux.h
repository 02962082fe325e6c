#pragma once

/*
 * Parses the body of the engine's log and attach responses. Without a TTY it is a sequence of
 * frames (stream, three zero bytes, 32-bit big-endian size, payload); with a TTY it is raw. Input
 * may be split anywhere. The caller provides the struct, which needs no destructor.
 */

#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_MAX_FRAME ((uint32_t)16 << 20)

enum log_stream { LOG_STDIN, LOG_STDOUT, LOG_STDERR, LOG_SYSTEM };
#define LOG_N_STREAMS 4

/* `is_start`: the piece begins a frame. Raw input is one frame of stdout without end. */
typedef void (*log_piece_fn)(
    void *owner, enum log_stream stream, const char *data, size_t size, bool is_start);

struct log_demux {
    bool is_raw;
    log_piece_fn on_piece;
    void *owner;
    unsigned char header[8];
    size_t header_size;
    uint32_t left;  /* of the payload */
    bool is_inside; /* a piece of the frame was passed on */
};

void log_demux_init(struct log_demux *d, bool is_raw, log_piece_fn on_piece, void *owner);

/* -EPROTO: the input is not a sequence of frames; do not call it again then. */
int log_demux_feed(struct log_demux *d, const void *data, size_t size) _nodiscard_;
