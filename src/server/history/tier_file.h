#pragma once

/*
 * One file of one tier: the chunks of all series in its span of time, and marks. Everything is synchronous, for
 * jobs of one queue. Codes are those of server/sqlite/db.h; -EUCLEAN also for a damaged chunk.
 *
 * A row of the finest tier has the metrics of its subject (proto/metric.h): means of gauges, the last of
 * counters. In coarser tiers as many columns follow with the highest values of gauges.
 */

#include "server/history/chunk.h"
#include "server/history/tier.h"
#include <stdbool.h>

#define TIER_FILE_MAX_MARKS 1000 /* in one answer */

struct tier_file;

struct series_key {
    const char *host, *name; /* name "": the host itself */
};

/* max_series: of each host. -ENOENT when there is no such file and it is not to be made. */
int tier_file_open(struct tier_file **ret,
                   const char *dir,
                   const char *path,
                   size_t max_series,
                   bool may_create,
                   struct error *err) _nodiscard_;
void tier_file_close(struct tier_file *f);

/* Everything that fn does is there afterwards, or nothing. */
typedef int (*tier_file_fn)(struct tier_file *f, void *arg, struct error *err);
int tier_file_tx(struct tier_file *f, tier_file_fn fn, void *arg, struct error *err) _nodiscard_;

/*
 * Puts rows, oldest first, into the series; what it has of the same times is replaced, all else stays. To be called
 * within tier_file_tx(). Left out, with 0, when the host has as many series as it may have.
 */
int tier_file_put(struct tier_file *f,
                  const struct series_key *key,
                  const struct history_rows *rows,
                  struct error *err) _nodiscard_;
/* How often something was left out because of a series too many, since it was opened. */
size_t tier_file_n_left_out(const struct tier_file *f);

/* Gives the chunks that touch [from, to), oldest first, with the columns of the mask; `rows` is used for all of them. */
typedef int (*tier_rows_fn)(void *owner, const struct history_rows *rows);
struct tier_read {
    struct series_key key;
    int64_t from, to; /* in steps */
    uint64_t columns;
    struct history_rows *rows; /* of CHUNK_MAX_ROWS */
    tier_rows_fn fn;
    void *owner;
};
int tier_file_read(struct tier_file *f, const struct tier_read *read, struct error *err)
    _nodiscard_;

/* The series behind *id (0: the first): 1 with its id and names, to be freed, or 0. */
struct series_row {
    int64_t id;
    char *host, *name;
};
void series_row_done(struct series_row *row);
int tier_file_next_series(struct tier_file *f,
                          int64_t after,
                          struct series_row *ret,
                          struct error *err) _nodiscard_;

/* A small number that belongs to the file; 0 when it was never set. */
int tier_file_get(struct tier_file *f, const char *key, int64_t *ret, struct error *err)
    _nodiscard_;
int tier_file_set(struct tier_file *f, const char *key, int64_t value, struct error *err)
    _nodiscard_;

/* Marks: what happened to a series and when, to be shown on its curve. */
struct history_mark {
    int64_t at_ms;
    char *kind; /* "started", "died", "oom", ... */
    char *text; /* "" or more about it */
};
void history_mark_done(struct history_mark *m);
/* A mark that is there already is left as it is. */
int tier_file_add_mark(struct tier_file *f,
                       const struct series_key *key,
                       const struct history_mark *m,
                       struct error *err) _nodiscard_;
typedef void (*history_mark_fn)(void *owner, const struct history_mark *m);
struct history_mark_read {
    struct series_key key;
    int64_t from_ms, to_ms; /* to_ms not included */
    history_mark_fn fn;
    void *owner;
};
/* Oldest first, at most TIER_FILE_MAX_MARKS. */
int tier_file_read_marks(struct tier_file *f,
                         const struct history_mark_read *read,
                         struct error *err) _nodiscard_;
