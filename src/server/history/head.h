#pragma once

/*
 * The head log: one row for each host and step that is not sealed into chunks yet, in a file of its own. A
 * row is there as soon as head_append() returns, also after a kill -9. Synchronous, for jobs of one queue.
 */

#include "base/error.h"
#include "server/history/positions.h"
#include <stddef.h>
#include <stdint.h>

struct head;

int head_open(struct head **ret, const char *dir, const char *path, struct error *err) _nodiscard_;
void head_close(struct head *h);

struct head_row {
    const char *host;
    int64_t at;       /* in steps of the finest tier */
    const void *data; /* of tick_append() */
    size_t size;
};

/* All rows or none. */
int head_append(struct head *h, const struct head_row *rows, size_t n, struct error *err)
    _nodiscard_;

/* The same, and with them how far the batches of hosts have come. */
struct head_batch {
    const struct head_row *rows;
    size_t n_rows;
    const struct host_position *positions;
    size_t n_positions;
};
int head_write(struct head *h, const struct head_batch *b, struct error *err) _nodiscard_;
typedef void (*head_position_fn)(void *owner, const struct host_position *p);
int head_each_position(struct head *h, head_position_fn fn, void *owner, struct error *err)
    _nodiscard_;

/* Gives the rows of a host in [from, to), oldest first. */
typedef int (*head_row_fn)(void *owner, const struct head_row *row, struct error *err);
struct head_read {
    const char *host;
    int64_t from, to;
    head_row_fn fn;
    void *owner;
};
int head_read(struct head *h, const struct head_read *read, struct error *err) _nodiscard_;
/* Removes the rows of a host in [from, to). */
int head_remove(struct head *h, const char *host, int64_t from, int64_t to, struct error *err)
    _nodiscard_;

/* Removes the oldest rows of a host, so that about the newest `n` stay; *ret: how many went. */
int head_trim(struct head *h, const char *host, int64_t n, int64_t *ret, struct error *err)
    _nodiscard_;

/* The time of the oldest row of the host: 1, or 0 when it has none. */
int head_first(struct head *h, const char *host, int64_t *ret, struct error *err) _nodiscard_;

/* Each host that has rows, with how many and the first and last of them. */
struct head_host {
    const char *host;
    int64_t n, first, last;
};
typedef void (*head_host_fn)(void *owner, const struct head_host *host);
int head_each_host(struct head *h, head_host_fn fn, void *owner, struct error *err) _nodiscard_;
