#pragma once

/*
 * Log lines to stderr: key=value for humans, one JSON object per line for machines. Journald levels
 * by prefix when stderr is the journal. Only the layers agent, server and cli log above debug; the
 * others return errors. Fields are pairs of strings, a NULL value prints as empty:
 *
 *     log_warn(LOG_FIELDS("host", host->id, "container", id), "inspect failed: %s", err.msg);
 *     log_info(NULL, "listening on %s", address);
 *
 * Secrets never go into a log line. Control characters and invalid UTF-8 are escaped. Messages are cut
 * at 2 KiB, values at 1 KiB, and fields that would make the line longer than 32 KiB are left out. Safe
 * from any thread.
 */

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

#define LOG_FIELDS(...) ((const char *const[]){__VA_ARGS__, NULL, NULL})

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
const char *log_level_name(enum log_level level); /* as log_level_parse() takes it */
void log_set_json(bool is_json);
int log_level_parse(const char *s, enum log_level *ret)
    _nodiscard_; /* debug info warn(ing) error, any case */

void log_write(enum log_level level, const char *const *fields, const char *fmt, ...)
    _printf_(3, 4);

/*
 * For lines that a stranger can cause as often as he likes: LOG_LIMIT_LINES a minute, the others are
 * counted. A zeroed struct is ready; not safe between threads.
 */
#define LOG_LIMIT_LINES 20

struct log_limit {
    uint64_t since_ms; /* of the minute that is counted */
    unsigned n, n_left_out;
};

/*
 * now_ms: monotonic. True: write the line, and after a gap *ret_left_out is how many were not written
 * before it.
 */
bool log_limit_pass(struct log_limit *l, uint64_t now_ms, unsigned *ret_left_out);

#define log_debug(fields, ...) log_write(LOG_LEVEL_DEBUG, fields, __VA_ARGS__)
#define log_info(fields, ...)  log_write(LOG_LEVEL_INFO, fields, __VA_ARGS__)
#define log_warn(fields, ...)  log_write(LOG_LEVEL_WARN, fields, __VA_ARGS__)
#define log_error(fields, ...) log_write(LOG_LEVEL_ERROR, fields, __VA_ARGS__)
