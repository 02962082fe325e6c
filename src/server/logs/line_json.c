#include "server/logs/line_json.h"

#include "base/time.h"

json_t *log_line_stream_json(enum log_kind kind)
{
    if (kind == LOG_KIND_UNKNOWN)
        return json_null();
    return json_string(kind == LOG_KIND_STDERR ? "stderr" : "stdout");
}

json_t *log_line_time_json(int64_t time_ns)
{
    char at[TIME_TEXT_SIZE];

    return time_ns ? json_string(time_format_ns(time_ns, at)) : json_null();
}
