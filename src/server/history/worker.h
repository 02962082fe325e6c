#pragma once

/*
 * The worker does all that history does on its job thread: opens the directory, writes rows and
 * marks, seals, rolls up, removes old files. Used by jobs of one queue only.
 */

#include "server/history/history.h"

struct worker;

/*
 * Maximum of rows of a host in the head log that cannot be sealed, for any reason: 3 hours. Beyond
 * it the oldest third of them is removed, so that a failure that lasts for days does not fill the
 * disk with unpacked rows.
 */
#define WORKER_MAX_ROWS INT64_C(1080)

struct worker *worker_new(const struct history_disk_options *o);
void worker_free(struct worker *w);

/* A row for the head log, and a mark. Both own their texts and data. */
struct pending_row {
    char *host, *data;
    size_t size;
    int64_t step;
};
struct pending_mark {
    char *host, *series;
    struct history_mark mark;
};

/* A round of work and its results. */
struct worker_round {
    struct pending_row *rows;
    size_t n_rows;
    struct pending_mark *marks;
    size_t n_marks;
    struct host_position *positions; /* written together with the rows */
    size_t n_positions;
    int64_t now_ms;
    bool is_rollup_due; /* also expires files and takes the usage */

    int code;
    struct error err;
    bool has_written; /* the rows are on disk */
    size_t n_dropped; /* rows that were removed because they could not be sealed for too long */
    bool is_more_to_roll;
    bool has_usage;
    struct history_usage usage;
    size_t n_damaged, n_left_out;
};
void worker_round_done(struct worker_round *r); /* frees rows, marks and positions */
/* Calls `fn` with the positions that earlier runs have stored; must precede the first job. `fn` is
 * not called if the directory cannot be used. */
void worker_read_positions(struct worker *w, history_head_position_fn fn, void *owner);
void worker_run(struct worker *w, struct worker_round *round);

/* A query and its answer. The caller releases each of `marks` with history_mark_done(), and
 * `points`. */
struct worker_question {
    struct history_query query;
    int code;
    struct error err;
    struct history_points points;
    struct history_mark *marks;
    size_t n_marks;
};
void worker_ask(struct worker *w, struct worker_question *q);
