#pragma once

/*
 * Collects the newest log lines within a number of lines and bytes, and returns them in the order
 * of time as one JSON string. Lines include the engine's RFC 3339 timestamp. Long lines are joined,
 * see log_assembler.h. Memory stays within about twice max_bytes.
 */

#include "base/buf.h"
#include "docker/log_demux.h"

struct log_lines;

struct log_lines_options {
    size_t max_lines; /* the newest are kept */
    size_t max_bytes; /* of the encoded text; older lines are dropped, a long line is truncated */
};

struct log_lines *log_lines_new(const struct log_lines_options *o);
void log_lines_free(struct log_lines *lines);
DEFINE_CLEANUP(struct log_lines *, log_lines_free);

/* A log_piece_fn with the lines as owner. */
void log_lines_add(
    void *owner, enum log_stream stream, const char *data, size_t size, bool is_start);

struct log_lines_result {
    size_t n_lines;
    size_t n_entries;   /* number of timestamps, which the engine counts as lines */
    bool lines_dropped; /* there were more than max_lines */
    bool bytes_dropped; /* lines were dropped or truncated because of max_bytes */
};

/*
 * Appends to `b` a letter for each line, in their order: 'e' for stderr, 'o' for others. Before
 * log_lines_take(). -EMSGSIZE: `b` is too small.
 */
int log_lines_streams(struct log_lines *lines, struct buf *b) _nodiscard_;

/* Appends the JSON string to `b` and clears the collection. -EMSGSIZE: `b` is too small. */
int log_lines_take(struct log_lines *lines, struct buf *b, struct log_lines_result *ret)
    _nodiscard_;
