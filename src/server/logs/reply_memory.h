#pragma once

/*
 * The memory of the last reply to get_logs, by which the lines of the next reply are known as old
 * or new. A reply is a window of the newest lines. Lines with times are compared by time and text,
 * because those of stderr may come later than younger ones of stdout; lines without times are
 * counted while the replies contain the whole log, and else compared as a sequence.
 */

#include "server/logs/reply_lines.h"

struct reply_memory {
    uint64_t *keys; /* of the lines of the last reply, in its order */
    size_t n;
    bool has_reply;
    bool has_times;
    bool is_whole; /* the reply had fewer lines than were asked for */
    int64_t oldest_ns;
};

/*
 * Sets `is_new` of each line. False: no line is known, so that lines may be missing before the
 * first one.
 */
bool reply_memory_compare(const struct reply_memory *m, struct reply_lines *lines, uint64_t tail)
    _nodiscard_;
/* Remembers the lines of a reply to a request for `tail` lines. */
void reply_memory_keep(struct reply_memory *m, const struct reply_lines *lines, uint64_t tail);
void reply_memory_done(struct reply_memory *m);
