#pragma once

/*
 * Collects log lines, keeps the newest within a number of lines and of bytes, and gives them back in time
 * order as one JSON string. Lines begin with the engine's RFC 3339 timestamp, which stays part of them.
 * A line longer than 16 KiB arrives from the engine in pieces, each with the timestamp repeated: they are
 * glued. Memory stays within about twice max_bytes whatever comes in.
 */

#include "base/buf.h"
#include "docker/log_demux.h"

struct log_lines;

struct log_lines_options {
    size_t max_lines; /* the newest are kept */
    size_t max_bytes; /* of the encoded text; older lines go, a longer line is cut at its end */
};

struct log_lines *log_lines_new(const struct log_lines_options *o);
void log_lines_free(struct log_lines *lines);
DEFINE_CLEANUP(struct log_lines *, log_lines_free);

/* A log_piece_fn with the lines as owner. */
void log_lines_add(
    void *owner, enum log_stream stream, const char *data, size_t size, bool is_start);

struct log_lines_result {
    size_t n_lines;
    size_t n_entries;   /* timestamps seen: what the engine counts as lines */
    bool lines_dropped; /* more than max_lines came */
    bool bytes_dropped; /* max_bytes cut lines off, or a line short */
};

/* Appends the JSON string to `b` and empties the collection. -EMSGSIZE when `b` is too small. */
int log_lines_take(struct log_lines *lines, struct buf *b, struct log_lines_result *ret)
    _nodiscard_;
