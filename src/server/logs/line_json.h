#pragma once

/* Members of a log line for clients: null when an agent does not say them. */

#include "proto/log_stream.h"

#include <jansson.h>

json_t *log_line_stream_json(enum log_kind kind) _nodiscard_; /* "stdout", "stderr" or null */
json_t *log_line_time_json(int64_t time_ns) _nodiscard_;      /* RFC 3339 with nanoseconds */
