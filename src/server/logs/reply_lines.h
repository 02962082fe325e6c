#pragma once

/*
 * The lines in a reply to get_logs of an agent that does not stream. DockMon's agents of today send
 * all lines of stdout, then all lines of stderr, each with its time; agents of the seed era send
 * the engine's frames as they are, without times: a header of eight bytes before each line, of
 * which JSON has replaced the bytes that are not UTF-8.
 */

#include "proto/log_stream.h"

#define REPLY_LINES_NO_TIMES \
    "The agent of this host sends its logs without times, so that since and until cannot be applied"

struct reply_line {
    enum log_kind kind; /* LOG_KIND_UNKNOWN: the reply does not say it */
    int64_t time_ns;    /* 0: the line has no time */
    const char *text;   /* borrowed from the reply */
    size_t size;
    size_t place; /* in the reply */
    bool is_partial;
    bool is_new; /* see reply_memory.h */
};

struct reply_lines {
    struct reply_line *items; /* in the order of their times */
    size_t n;
    bool has_times;
};

/*
 * `streams` has a letter for each line, as far as the agent says which is from stderr; NULL: it
 * does not. The lines borrow `text`.
 */
void reply_lines_read(const char *text, size_t size, const char *streams, struct reply_lines *ret);
void reply_lines_done(struct reply_lines *lines);
