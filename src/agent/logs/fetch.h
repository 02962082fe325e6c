#pragma once

/*
 * One read of a container's log, for the command get_logs: asks the engine whether the container
 * has a terminal, then reads the log and keeps the newest 10,000 lines and 4 MiB of encoded text.
 */

#include "docker/engine.h"
#include "docker/json_scan.h"

#define LOG_FETCH_MAX_LINES 10000
#define LOG_FETCH_MAX_BYTES ((size_t)4 << 20)

/*
 * Writes a time as the engine expects it, unix seconds with a fraction. `value` is unix seconds or
 * RFC 3339; -EINVAL when it is neither, and the message names `key`.
 */
#define LOG_TIME_SIZE 40
int log_time_parse(const char *key, const char *value, char ret[LOG_TIME_SIZE], struct error *err)
    _nodiscard_;

struct log_fetch;

struct log_fetch_result {
    int code; /* 0 or negative errno */
    int status;
    const char *message;
    struct json_span logs; /* a JSON string; valid during the call */
    const char *streams;   /* with wants_streams: see log_lines_streams(); valid during the call */
    bool is_truncated;
};
typedef void (*log_fetch_fn)(void *owner, const struct log_fetch_result *result);

struct log_fetch_options {
    struct engine *engine;
    const char *container;     /* checked by the caller */
    int64_t tail;              /* 0 to LOG_FETCH_MAX_LINES, which also means all */
    const char *since, *until; /* RFC 3339 or unix seconds; NULL open */
    bool has_details;          /* the attributes of the engine come before each text */
    bool wants_streams;
    uint64_t timeout_ms;
    log_fetch_fn done;
    void *owner;
};

/* Life cycle as engine_call. -EINVAL for an invalid time. */
int log_fetch_start(struct log_fetch **ret, const struct log_fetch_options *o, struct error *err)
    _nodiscard_;
void log_fetch_cancel(struct log_fetch *f);
DEFINE_CLEANUP(struct log_fetch *, log_fetch_cancel);
