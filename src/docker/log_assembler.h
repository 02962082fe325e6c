#pragma once

/*
 * The log assembler builds lines from the output of log_demux.h, for each output stream separately.
 *
 * The engine stores a log as entries: a timestamp (RFC 3339), a space and text. A short line is one
 * entry that ends with a newline. A line longer than 16 KiB consists of several entries without a
 * newline, each with the same timestamp; they are joined, and the repeated timestamps removed. A
 * partial entry at the end of a run of the container is not joined with the first entry of the next
 * run if `splits` is set.
 *
 *   piece    input: any part of an entry. Input may be split anywhere, also inside of a timestamp
 *   entry    a timestamp with its text; the engine counts these as lines
 *   line     output: joined entries up to a newline, or a part of them, see below
 *
 * The text of a line is limited to max_line. The text beyond it is dropped (is_cut), or with
 * `splits` becomes further lines (is_partial). Memory stays within the maximum for each of the
 * streams.
 *
 * The caller owns the assembler. `on_line` runs inside log_assembler_add() and log_assembler_end();
 * it borrows the line for the duration of the call, and must not free the assembler.
 */

#include "base/buf.h"
#include "docker/log_demux.h"

struct log_line {
    enum log_stream stream;
    int64_t time_ns;  /* without a timestamp: that of the previous line */
    const char *text; /* timestamp, space and text; valid during the call */
    size_t size;
    /* Bytes of the timestamp in `text`; 0: it has none, or continues a line. */
    size_t stamp_size;
    bool is_ended;   /* the line ended with a newline */
    bool is_cut;     /* text beyond the maximum was dropped */
    bool is_partial; /* with `splits`: the next line of the stream continues this one */
};
typedef void (*log_line_fn)(void *owner, const struct log_line *line);

struct log_assembler_options {
    size_t max_line; /* maximum bytes of text, without timestamp */
    /* Split long lines instead of truncating them, and do not join text of two runs. */
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
void log_assembler_end(struct log_assembler *la);  /* ends lines without a newline */
void log_assembler_drop(struct log_assembler *la); /* drops lines without a newline */
/* The number of entries so far, which the engine counts as lines. */
size_t log_assembler_entries(const struct log_assembler *la);
