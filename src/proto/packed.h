#pragma once

/*
 * Reads MessagePack from memory: one value after the other, nothing is built. The format is
 * https://github.com/msgpack/msgpack/blob/master/spec.md. Writing is msgpack-c's; its reader is not used,
 * because it allocates what the head of an array claims before it has seen the elements.
 *
 * Text and bytes are borrowed from the message. A count that the rest of the message cannot hold is refused, so
 * whoever allocates for `n` elements allocates at most a fixed multiple of what was received.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packed {
    const uint8_t *p, *end; /* what is left */
};

enum packed_type {
    PACKED_NIL,
    PACKED_BOOL,
    PACKED_INT,
    PACKED_FLOAT,
    PACKED_STR,
    PACKED_BIN,
    PACKED_EXT,
    PACKED_ARRAY,
    PACKED_MAP,
};

struct packed_value {
    enum packed_type type;
    int64_t i;     /* INT; BOOL: 0 or 1 */
    double d;      /* FLOAT */
    const char *p; /* STR, BIN, EXT: not terminated */
    size_t n;      /* STR, BIN, EXT: bytes; ARRAY: elements that follow; MAP: pairs that follow */
};

/* The next value, or only the head of an array or map. -EBADMSG: cut off, no MessagePack, over INT64_MAX. */
int packed_next(struct packed *r, struct packed_value *ret, struct error *err) _nodiscard_;

/* Passes over one whole value, whatever is in it. */
int packed_skip(struct packed *r, struct error *err) _nodiscard_;
