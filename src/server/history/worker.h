#pragma once

/*
 * What history does on its job thread: opening the directory, writing rows and marks, sealing, rollup,
 * removal of old files. Touched by jobs of one queue only.
 */

#include "server/history/history.h"

struct worker;

/*
 * Rows of a host that wait in the head log because they cannot be sealed, whatever the reason: 3 hours. Beyond it the oldest
 * third of them goes, so that a failure that lasts for days does not fill the disk with what is not packed.
 */
#define WORKER_MAX_ROWS INT64_C(1080)

struct worker *worker_new(const struct history_disk_options *o);
void worker_free(struct worker *w);

/* One row for the head log, and one mark. Texts and data are the job's. */
struct pending_row {
    char *host, *data;
    size_t size;
    int64_t step;
};
struct pending_mark {
    char *host, *series;
    struct history_mark mark;
};

/* A round of work and what came of it. */
struct worker_round {
    struct pending_row *rows;
    size_t n_rows;
    struct pending_mark *marks;
    size_t n_marks;
    struct host_position *positions; /* written together with the rows */
    size_t n_positions;
    int64_t now_ms;
    bool is_rollup_due; /* also for expiry and usage */

    int code;
    struct error err;
    bool has_written; /* the rows are on disk */
    size_t n_dropped; /* rows that were there and could not be sealed for too long */
    bool is_more_to_roll;
    bool has_usage;
    struct history_usage usage;
    size_t n_damaged, n_left_out;
};
void worker_round_done(struct worker_round *r); /* frees rows, marks and positions */
/* What earlier runs have written; before the first job. Nothing is told when the directory cannot be used. */
void worker_read_positions(struct worker *w, history_head_position_fn fn, void *owner);
void worker_run(struct worker *w, struct worker_round *round);

/* The answer to a question; `marks` to be freed one by one with history_mark_done(). */
struct worker_question {
    struct history_query query;
    int code;
    struct error err;
    struct history_points points;
    struct history_mark *marks;
    size_t n_marks;
};
void worker_ask(struct worker *w, struct worker_question *q);
