#pragma once

/*
 * RFC 6455 framing, without sockets: an incremental parser and the encoder of frame heads. Frames
 * of a client are masked, those of a server are not. No extensions, so that no reserved bit is
 * legal.
 */

#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WS_FRAME_HEAD_MAX    14
#define WS_FRAME_CONTROL_MAX 125

enum ws_opcode {
    WS_OPCODE_CONTINUATION = 0,
    WS_OPCODE_TEXT = 1,
    WS_OPCODE_BINARY = 2,
    WS_OPCODE_CLOSE = 8,
    WS_OPCODE_PING = 9,
    WS_OPCODE_PONG = 10,
};

/* One piece of a message, or one whole control frame. */
struct ws_piece {
    enum ws_opcode opcode; /* never CONTINUATION: a piece carries its message's opcode */
    bool is_last;
    const unsigned char *data;
    size_t size;
};

struct ws_parser {
    bool is_client; /* the frames come from a server and must not be masked */
    uint8_t step;
    uint8_t opcode;  /* of the frame */
    uint8_t message; /* opcode of the message under way; 0: none */
    bool is_final;
    uint8_t need; /* bytes of extended length and mask still to come */
    uint8_t head[14];
    uint8_t head_size;
    uint8_t mask[4];
    uint8_t mask_at;
    uint64_t left; /* payload bytes of the frame still to come */
    uint8_t control[WS_FRAME_CONTROL_MAX];
    uint8_t control_size;
};

/*
 * Consumes bytes until there is a piece (returns 1) or no more bytes (returns 0), adding what it
 * consumed to *used. The piece lives until the next call. Unmasks in place. Returns -EPROTO with
 * *ret_why set when the peer broke the protocol; the parser is of no use afterwards.
 */
int ws_parser_next(struct ws_parser *p,
                   unsigned char *data,
                   size_t size,
                   size_t *used,
                   struct ws_piece *ret,
                   const char **ret_why) _nodiscard_;

/*
 * Writes the head of a frame so that it ends at `payload`, where there must be room in front of it,
 * and masks the payload when `mask` is given. Returns the size of the head.
 */
size_t ws_frame_prepend(unsigned char *payload,
                        enum ws_opcode opcode,
                        bool is_final,
                        size_t payload_size,
                        const uint8_t mask[4]);

/* A close code that may be on the wire. */
bool ws_close_code_is_valid(unsigned code);
