#pragma once

/*
 * When the engine rotates a log that is followed it may give lines again, in the same stream. The last lines are
 * remembered by their hashes; zero-initialised storage is the caller's, nothing to release.
 */

#include "docker/log_assembler.h"

#define LOG_RECENT_LINES 512

struct log_recent {
    uint64_t lines[LOG_RECENT_LINES];
    size_t n;
    bool is_partial[LOG_N_STREAMS]; /* the last line goes on in the next one */
};

/* Whether the line came before; remembers it. Lines that are newer than `newest_ns` cannot have. */
bool log_recent_has(struct log_recent *r, const struct log_line *line, int64_t newest_ns);
