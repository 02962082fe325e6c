#pragma once

/*
 * A chunk holds up to CHUNK_MAX_ROWS rows of one series, packed by column. A column is a list of
 * differences from row to row, as zig-zag varints; a run of zeros is one token. Times are stored as
 * differences of differences. Every column begins with its length, so that a reader can skip it. A
 * checksum ends the chunk. docs/benchmarks.md, "History", has the measurements behind this layout.
 */

#include "base/buf.h"
#include "base/error.h"
#include <stdint.h>

#define CHUNK_MAX_ROWS        240
#define CHUNK_MAX_COLUMNS     64 /* so that a mask of columns fits a uint64_t */
#define CHUNK_MAX_SIZE        ((size_t)256 * 1024)
#define CHUNK_MAX_VALUE       10 /* bytes of a time or value of a row, whatever it is */
#define CHUNK_MAX_HEAD        64 /* further bytes, without CHUNK_MAX_COLUMN_HEAD of each column */
#define CHUNK_MAX_COLUMN_HEAD 40

/* Rows of one series in memory. Storage is the caller's: history_rows_init() before use,
 * history_rows_done() after. */
struct history_rows {
    size_t n, capacity; /* rows */
    size_t n_columns;
    int64_t *at;     /* in steps of the tier, since 1970 */
    int64_t *values; /* [column * capacity + row]; METRIC_NONE: unknown */
};

void history_rows_init(struct history_rows *rows, size_t n_columns, size_t capacity);
void history_rows_done(struct history_rows *rows);

static inline int64_t *history_rows_column(const struct history_rows *rows, size_t column)
{
    return rows->values + column * rows->capacity;
}

/* Appends a row; there must be room for it. Columns beyond `n` become METRIC_NONE; values beyond
 * the columns are ignored. */
void history_rows_add(struct history_rows *rows, int64_t at, const int64_t *values, size_t n);

/* Appends the rows, at most CHUNK_MAX_ROWS, to `out` as one chunk. -EMSGSIZE if it does not fit. */
int chunk_encode(const struct history_rows *rows, struct buf *out) _nodiscard_;

/*
 * Replaces the content of `ret`, which has a capacity of CHUNK_MAX_ROWS, with the rows of the
 * chunk. Only columns of the mask are decoded; the others become METRIC_NONE, as do columns that
 * did not exist when the chunk was written. Columns of the chunk beyond those of `ret` are skipped.
 * -EBADMSG if the chunk is damaged.
 */
int chunk_decode(const void *data,
                 size_t size,
                 uint64_t columns,
                 struct history_rows *ret,
                 struct error *err) _nodiscard_;
