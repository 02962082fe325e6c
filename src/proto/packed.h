#pragma once

/*
 * Reads MessagePack from memory, one value after the other, without a tree. The format is
 * https://github.com/msgpack/msgpack/blob/master/spec.md. msgpack-c is only used for writing: its
 * reader allocates the size that the head of an array claims before it has seen the elements.
 *
 * Text and bytes are borrowed from the message. A count that the rest of the message cannot contain
 * is refused, so a caller that allocates for `n` elements allocates at most a fixed multiple of the
 * received size.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packed {
    const uint8_t *p, *end; /* the unread rest */
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

/*
 * Reads the next value, or only the head of an array or map. -EBADMSG: truncated, not MessagePack,
 * or a number above INT64_MAX.
 */
int packed_next(struct packed *r, struct packed_value *ret, struct error *err) _nodiscard_;

/* Skips one whole value of any type. */
int packed_skip(struct packed *r, struct error *err) _nodiscard_;
