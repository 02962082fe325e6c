#pragma once

/*
 * A chunk: up to CHUNK_MAX_ROWS samples of one series, packed. Column by column the differences from row to
 * row as zig-zag varints, with runs of zeros as one token; the times likewise, with differences of
 * differences. Columns say their length, so that a reader skips those it does not want. A checksum ends it.
 * The source of the figures behind this layout is docs/benchmarks.md, "History".
 */

#include "base/buf.h"
#include "base/error.h"
#include <stdint.h>

#define CHUNK_MAX_ROWS    240
#define CHUNK_MAX_COLUMNS 64 /* a mask of them fits a uint64_t */
#define CHUNK_MAX_SIZE    ((size_t)256 * 1024)

/* Storage is the caller's: history_rows_init() before use, history_rows_done() after. */
struct history_rows {
    size_t n, capacity; /* rows */
    size_t n_columns;
    int64_t *at;     /* in steps of the tier since 1970 */
    int64_t *values; /* [column * capacity + row]; METRIC_NONE: not known */
};

void history_rows_init(struct history_rows *rows, size_t n_columns, size_t capacity);
void history_rows_done(struct history_rows *rows);

static inline int64_t *history_rows_column(const struct history_rows *rows, size_t column)
{
    return rows->values + column * rows->capacity;
}

/* Appends a row; there must be room. Values beyond the n that are given are not known, those beyond the columns left out. */
void history_rows_add(struct history_rows *rows, int64_t at, const int64_t *values, size_t n);

/* Appends the chunk to `out`; at most CHUNK_MAX_ROWS. -EMSGSIZE when it does not fit. */
int chunk_encode(const struct history_rows *rows, struct buf *out) _nodiscard_;

/*
 * Replaces what `ret`, of CHUNK_MAX_ROWS, holds with the rows of the chunk. Only columns of the mask are filled, all others are
 * METRIC_NONE, as are those that the chunk is too old to have; columns it has beyond ours are passed
 * over. -EBADMSG when it is damaged.
 */
int chunk_decode(const void *data,
                 size_t size,
                 uint64_t columns,
                 struct history_rows *ret,
                 struct error *err) _nodiscard_;
