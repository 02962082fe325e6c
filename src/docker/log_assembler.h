#pragma once

/*
 * Makes lines of what log_demux gives: each begins with the engine's RFC 3339 timestamp. A line longer than
 * 16 KiB arrives from the engine in pieces, each with the timestamp repeated: they are glued, up to a maximum.
 * Input may be cut anywhere. Memory stays within the maximum for each of the streams.
 */

#include "base/buf.h"
#include "docker/log_demux.h"

struct log_line {
    enum log_stream stream;
    int64_t time_ns;  /* without a timestamp: that of the line before */
    const char *text; /* the timestamp with its space, then the line; gone after the call */
    size_t size;
    /* bytes of `text` that are the timestamp; 0: it has none, or is a further part */
    size_t stamp_size;
    bool is_ended;   /* a newline came */
    bool is_cut;     /* the maximum cut it short */
    bool is_partial; /* with `splits`: the next line of the stream goes on where this ends */
};
typedef void (*log_line_fn)(void *owner, const struct log_line *line);

struct log_assembler_options {
    size_t max_line; /* bytes of text without timestamp */
    /*
     * What passes the maximum becomes further lines instead of being cut off, and what a container said without a
     * newline before it ended is not glued to what it says first in its next run.
     */
    bool splits;
    log_line_fn on_line;
    void *owner;
};

struct log_assembler;

struct log_assembler *log_assembler_new(const struct log_assembler_options *o);
void log_assembler_free(struct log_assembler *la);
DEFINE_CLEANUP(struct log_assembler *, log_assembler_free);

/* A log_piece_fn with the assembler as owner. */
void log_assembler_add(
    void *owner, enum log_stream stream, const char *data, size_t size, bool is_start);
void log_assembler_end(struct log_assembler *la);  /* what has no newline yet is a line, too */
void log_assembler_drop(struct log_assembler *la); /* ... or is forgotten */
/* The number of timestamps, which is what the engine counts. */
size_t log_assembler_entries(const struct log_assembler *la);
