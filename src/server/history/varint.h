#pragma once

/*
 * Varints: numbers of 1 to 10 bytes with 7 bits each, lowest first. Signed numbers are stored
 * zig-zag, so that small ones of either sign are short.
 */

#include "base/buf.h"
#include <stdint.h>

#define VARINT_MAX_SIZE 10

static inline size_t varint_write(uint8_t out[VARINT_MAX_SIZE], uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        out[n++] = (uint8_t)(v | 0x80);
    out[n++] = (uint8_t)v;
    return n;
}

static inline uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

static inline int64_t unzigzag(uint64_t v)
{
    return (int64_t)((v >> 1) ^ (v & 1 ? UINT64_MAX : 0));
}

/* The bytes that are left to read: [at, end). */
struct bytes {
    const uint8_t *at, *end;
};

static inline size_t bytes_left(const struct bytes *b)
{
    return (size_t)(b->end - b->at);
}

/* -1 if the bytes end too early or encode more than 64 bits. */
static inline int varint_read(struct bytes *b, uint64_t *ret)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 70 && b->at < b->end; shift += 7) {
        uint8_t byte = *b->at++;

        if (shift == 63 && byte > 1)
            return -1;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = v;
            return 0;
        }
    }
    return -1;
}

static inline int varint_append(struct buf *b, uint64_t v)
{
    uint8_t bytes[VARINT_MAX_SIZE];

    return buf_append(b, bytes, varint_write(bytes, v));
}
