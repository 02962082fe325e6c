#pragma once

/*
 * A tick holds all series of one host in one step, as a name and its values for each; the name ""
 * is the host itself. It is a record of the head log, until it is sealed into chunks.
 */

#include "server/history/chunk.h"

#define TICK_MAX_SIZE ((size_t)4 << 20)
#define TICK_MAX_NAME 255 /* bytes */

/* Appends a series with `n` values, at most CHUNK_MAX_COLUMNS. -EMSGSIZE if it does not fit,
 * -EINVAL if the name is too long. */
int tick_append(struct buf *out, const char *name, const int64_t *values, size_t n) _nodiscard_;

struct tick_series {
    char name[TICK_MAX_NAME + 1];
    size_t n;
    int64_t values[CHUNK_MAX_COLUMNS];
};

/* Reads the series at *offset and advances it: 1, 0 at the end, -EBADMSG if the data is damaged. */
int tick_next(const void *data, size_t size, size_t *offset, struct tick_series *ret) _nodiscard_;
