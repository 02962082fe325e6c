#pragma once

/*
 * A record of the files of the spool: a head of 25 bytes (size of the data, CRC-32 of everything
 * after it, kind, epoch, seq; little-endian), then the data. Records follow each other without
 * gaps; a file is valid up to the first record that is incomplete or has a wrong checksum.
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

/* -EMSGSIZE: too much data, or no room in `out`. */
int spool_record_append(struct buf *out, const struct spool_record *r) _nodiscard_;

/*
 * Reads the record at *offset and advances it: 1; 0 at the end; -EBADMSG if it is cut or damaged.
 */
int spool_record_next(const void *data, size_t size, size_t *offset, struct spool_record *ret)
    _nodiscard_;

/* Writes a number of `n` bytes, little-endian. */
void spool_number_put(void *to, uint64_t v, size_t n);
uint64_t spool_number_get(const void *from, size_t n);

/* The size of the record that begins with this head, head included; 0 if the head is invalid. */
size_t spool_record_size(const void *head);
