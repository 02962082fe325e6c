#pragma once

/*
 * The last lines of a log, as hashes. When the engine rotates the file of a log that is followed,
 * it may send lines again within the same body. Zero-initialised storage is the caller's; there is
 * nothing to release.
 */

#include "docker/log_assembler.h"

#define LOG_RECENT_LINES 512

struct log_recent {
    uint64_t lines[LOG_RECENT_LINES];
    size_t n;
    bool is_partial[LOG_N_STREAMS]; /* the next line continues the last one */
};

/*
 * Remembers the line and returns whether it came before. A line that is newer than `newest_ns`
 * cannot have come before.
 */
bool log_recent_has(struct log_recent *r, const struct log_line *line, int64_t newest_ns);
