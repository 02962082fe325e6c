#pragma once

/*
 * The head log: a file of its own with the rows, one per host and step, that are not sealed into
 * chunks yet. A row survives a kill -9 as soon as history_head_append() has returned. Synchronous;
 * used by jobs of one queue only.
 */

#include "base/error.h"
#include "server/history/positions.h"
#include <stddef.h>
#include <stdint.h>

struct history_head;

int history_head_open(struct history_head **ret,
                      const char *dir,
                      const char *path,
                      struct error *err) _nodiscard_;
void history_head_close(struct history_head *h);

struct history_head_row {
    const char *host;
    int64_t at;       /* in steps of the finest tier */
    const void *data; /* from tick_append() */
    size_t size;
};

/* Appends all rows or none. */
int history_head_append(struct history_head *h,
                        const struct history_head_row *rows,
                        size_t n,
                        struct error *err) _nodiscard_;

/* Appends all rows and sets all positions, or changes nothing. */
struct history_head_batch {
    const struct history_head_row *rows;
    size_t n_rows;
    const struct host_position *positions;
    size_t n_positions;
};
int history_head_write(struct history_head *h,
                       const struct history_head_batch *b,
                       struct error *err) _nodiscard_;
typedef void (*history_head_position_fn)(void *owner, const struct host_position *p);
int history_head_each_position(struct history_head *h,
                               history_head_position_fn fn,
                               void *owner,
                               struct error *err) _nodiscard_;

/*
 * Calls `fn` for each row of a host in [from, to), oldest first, until it returns a negative errno.
 */
typedef int (*history_head_row_fn)(void *owner,
                                   const struct history_head_row *row,
                                   struct error *err);
struct history_head_read {
    const char *host;
    int64_t from, to;
    history_head_row_fn fn;
    void *owner;
};
int history_head_read(struct history_head *h,
                      const struct history_head_read *read,
                      struct error *err) _nodiscard_;
/* Removes the rows of a host in [from, to). */
int history_head_remove(struct history_head *h,
                        const char *host,
                        int64_t from,
                        int64_t to,
                        struct error *err) _nodiscard_;

/* Removes the oldest rows of a host and keeps about the newest `n`; *ret: the number of removed
 * rows. */
int history_head_trim(struct history_head *h,
                      const char *host,
                      int64_t n,
                      int64_t *ret,
                      struct error *err) _nodiscard_;

/* Gets the time of the oldest row of the host: returns 1, or 0 if it has no rows. */
int history_head_first(struct history_head *h, const char *host, int64_t *ret, struct error *err)
    _nodiscard_;

/* A host that has rows: their number, and the times of the first and the last one. */
struct history_head_host {
    const char *host;
    int64_t n, first, last;
};
typedef void (*history_head_host_fn)(void *owner, const struct history_head_host *host);
int history_head_each_host(struct history_head *h,
                           history_head_host_fn fn,
                           void *owner,
                           struct error *err) _nodiscard_;
