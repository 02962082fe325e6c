#pragma once

/*
 * One file of one tier: the chunks of all series within its span of time, and marks. Synchronous;
 * used by jobs of one queue only. Error codes are those of server/sqlite/db.h, and -EUCLEAN also
 * for a damaged chunk.
 *
 * A row of the finest tier has the metrics of its subject (proto/metric.h): the mean of gauges, the
 * last value of counters. A row of a coarser tier has as many further columns, for the maxima of
 * gauges.
 */

#include "server/history/chunk.h"
#include "server/history/tier.h"
#include <stdbool.h>

#define TIER_FILE_MAX_MARKS 1000 /* per call */

struct tier_file;

struct series_key {
    const char *host, *name; /* name "": the host itself */
};

/*
 * max_series: the maximum of series of a host, and also of its marks. -ENOENT if there is no such
 * file and `may_create` is false.
 */
int tier_file_open(struct tier_file **ret,
                   const char *dir,
                   const char *path,
                   size_t max_series,
                   bool may_create,
                   struct error *err) _nodiscard_;
void tier_file_close(struct tier_file *f);

/* Runs `fn` in a transaction: all of its changes are stored, or none. */
typedef int (*tier_file_fn)(struct tier_file *f, void *arg, struct error *err);
int tier_file_tx(struct tier_file *f, tier_file_fn fn, void *arg, struct error *err) _nodiscard_;

/*
 * Writes rows, oldest first, into the series: replaces its rows of the same times and keeps all
 * others. Must be called within tier_file_tx(). Ignored, with result 0, if the host has its maximum
 * of series.
 */
int tier_file_put(struct tier_file *f,
                  const struct series_key *key,
                  const struct history_rows *rows,
                  struct error *err) _nodiscard_;
/* How many calls were ignored since the opening because the host had too many series or marks. */
size_t tier_file_n_left_out(const struct tier_file *f);

/* Calls `fn` with each chunk that overlaps [from, to), oldest first, with the columns of the mask;
 * `rows` is reused for all of them. */
typedef int (*tier_rows_fn)(void *owner, const struct history_rows *rows);
struct tier_read {
    struct series_key key;
    int64_t from, to; /* in steps */
    uint64_t columns;
    struct history_rows *rows; /* with a capacity of CHUNK_MAX_ROWS */
    tier_rows_fn fn;
    void *owner;
};
int tier_file_read(struct tier_file *f, const struct tier_read *read, struct error *err)
    _nodiscard_;

/* Gets the first series with an id above `after` (0: the first one): 1, or 0 if there is none. Its
 * names are owned by the caller. */
struct series_row {
    int64_t id;
    char *host, *name;
};
void series_row_done(struct series_row *row);
int tier_file_next_series(struct tier_file *f,
                          int64_t after,
                          struct series_row *ret,
                          struct error *err) _nodiscard_;

/* A number of the file, by name; 0 if it was never set. */
int tier_file_get(struct tier_file *f, const char *key, int64_t *ret, struct error *err)
    _nodiscard_;
int tier_file_set(struct tier_file *f, const char *key, int64_t value, struct error *err)
    _nodiscard_;

/* A mark is an event of a series, to be shown in its chart. */
struct history_mark {
    int64_t at_ms;
    char *kind; /* "started", "died", "oom", ... */
    char *text; /* details, or "" */
};
void history_mark_done(struct history_mark *m);
/* Does nothing if the same mark exists, or if the host has its maximum of marks. */
int tier_file_add_mark(struct tier_file *f,
                       const struct series_key *key,
                       const struct history_mark *m,
                       struct error *err) _nodiscard_;
typedef void (*history_mark_fn)(void *owner, const struct history_mark *m);
struct history_mark_read {
    struct series_key key;
    int64_t from_ms, to_ms; /* to_ms is excluded */
    history_mark_fn fn;
    void *owner;
};
/* Calls `fn` for at most TIER_FILE_MAX_MARKS marks, oldest first. */
int tier_file_read_marks(struct tier_file *f,
                         const struct history_mark_read *read,
                         struct error *err) _nodiscard_;
