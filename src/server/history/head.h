#pragma once

/*
 * The head log: one row for each host and step that is not sealed into chunks yet, in a file of its own. A
 * row is there as soon as history_head_append() returns, also after a kill -9. Synchronous, for jobs of one queue.
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
    const void *data; /* of tick_append() */
    size_t size;
};

/* All rows or none. */
int history_head_append(struct history_head *h,
                        const struct history_head_row *rows,
                        size_t n,
                        struct error *err) _nodiscard_;

/* The same, and with them how far the batches of hosts have come. */
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

/* Gives the rows of a host in [from, to), oldest first. */
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

/* Removes the oldest rows of a host, so that about the newest `n` stay; *ret: how many went. */
int history_head_trim(struct history_head *h,
                      const char *host,
                      int64_t n,
                      int64_t *ret,
                      struct error *err) _nodiscard_;

/* The time of the oldest row of the host: 1, or 0 when it has none. */
int history_head_first(struct history_head *h, const char *host, int64_t *ret, struct error *err)
    _nodiscard_;

/* Each host that has rows, with how many and the first and last of them. */
struct history_head_host {
    const char *host;
    int64_t n, first, last;
};
typedef void (*history_head_host_fn)(void *owner, const struct history_head_host *host);
int history_head_each_host(struct history_head *h,
                           history_head_host_fn fn,
                           void *owner,
                           struct error *err) _nodiscard_;
