#pragma once

/*
 * What one host measured in one step: a row of the head log, from where it is sealed into chunks. A name
 * and its values for each series; "" is the host itself.
 */

#include "server/history/chunk.h"

#define TICK_MAX_SIZE ((size_t)4 << 20)
#define TICK_MAX_NAME 255 /* bytes */

/* Appends a series; `n` values, at most CHUNK_MAX_COLUMNS. -EMSGSIZE when it does not fit, -EINVAL for too long a name. */
int tick_append(struct buf *out, const char *name, const int64_t *values, size_t n) _nodiscard_;

struct tick_series {
    char name[TICK_MAX_NAME + 1];
    size_t n;
    int64_t values[CHUNK_MAX_COLUMNS];
};

/* Reads the series at *offset and moves it on: 1, 0 at the end, -EBADMSG for what tick_append() did not write. */
int tick_next(const void *data, size_t size, size_t *offset, struct tick_series *ret) _nodiscard_;
