#pragma once

/*
 * One record of the spool's files: a head of 25 bytes (size of the data, CRC-32 of all that follows it, kind,
 * epoch, seq; little-endian), then the data. Records stand one behind the other; where one is not whole or its sum
 * is wrong, what can be trusted ends.
 */

#include "base/buf.h"
#include <stdint.h>

#define SPOOL_RECORD_HEAD ((size_t)25)
#define SPOOL_RECORD_MAX  ((size_t)4 << 20) /* bytes of data */

struct spool_record {
    uint8_t kind;
    uint64_t epoch, seq;
    const void *data; /* borrowed */
    size_t size;
};

/* -EMSGSIZE: too much data, or `out` has no room. */
int spool_record_append(struct buf *out, const struct spool_record *r) _nodiscard_;

/*
 * The record at *offset, which moves behind it: 1; 0 at the end; -EBADMSG when it is cut or damaged.
 */
int spool_record_next(const void *data, size_t size, size_t *offset, struct spool_record *ret)
    _nodiscard_;

/* Numbers in the files: `n` bytes, little-endian. */
void spool_number_put(void *to, uint64_t v, size_t n);
uint64_t spool_number_get(const void *from, size_t n);

/* Bytes of the record that begins with this head, head and all; 0 when it cannot be one. */
size_t spool_record_size(const void *head);
