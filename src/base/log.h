#pragma once

/*
 * Log lines to stderr: key=value for humans, one JSON object per line for machines. Journald levels
 * are prefixes if stderr is the journal. Only the layers agent, server and cli log above debug; the
 * others return errors. Fields are pairs of strings; a NULL value is printed as an empty one:
 *
 *     log_warn(LOG_FIELDS("host", host->id, "container", id), "inspect failed: %s", err.msg);
 *     log_info(NULL, "listening on %s", address);
 *
 * Log lines contain no secrets. Control characters and invalid UTF-8 are escaped. Messages are
 * truncated at 2 KiB and values at 1 KiB, and fields beyond 32 KiB per line are omitted. Logging is
 * thread-safe.
 */

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

#define LOG_FIELDS(...) ((const char *const[]){__VA_ARGS__, NULL, NULL})

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
const char *log_level_name(enum log_level level); /* accepted by log_level_parse() */
void log_set_json(bool is_json);
int log_level_parse(const char *s, enum log_level *ret)
    _nodiscard_; /* debug info warn(ing) error, any case */

void log_write(enum log_level level, const char *const *fields, const char *fmt, ...)
    _printf_(3, 4);

/*
 * A limit for lines that unauthenticated peers can cause: LOG_LIMIT_LINES per minute are written,
 * the others are counted. A zeroed struct is ready for use; it is not thread-safe.
 */
#define LOG_LIMIT_LINES 20

struct log_limit {
    uint64_t since_ms; /* begin of the current minute */
    unsigned n, n_left_out;
};

/*
 * Returns whether to write the line; *ret_left_out is the number of lines that were omitted before
 * it. now_ms: monotonic.
 */
bool log_limit_pass(struct log_limit *l, uint64_t now_ms, unsigned *ret_left_out);

#define log_debug(fields, ...) log_write(LOG_LEVEL_DEBUG, fields, __VA_ARGS__)
#define log_info(fields, ...)  log_write(LOG_LEVEL_INFO, fields, __VA_ARGS__)
#define log_warn(fields, ...)  log_write(LOG_LEVEL_WARN, fields, __VA_ARGS__)
#define log_error(fields, ...) log_write(LOG_LEVEL_ERROR, fields, __VA_ARGS__)
