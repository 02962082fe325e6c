#include "server/view/json_values.h"
#include "base/time.h"
#include "proto/json_text.h"

json_t *json_value_time(int64_t utc_ms)
{
    char text[TIME_TEXT_SIZE];

    return utc_ms ? json_string(time_format_ms(utc_ms, text)) : json_null();
}

json_t *json_value_string(const char *s)
{
    return json_text_str(s);
}

json_t *json_value_column(const char *text, json_t *fallback)
{
    json_t *v = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

    if (!v || json_typeof(v) != json_typeof(fallback)) {
        json_decref(v);
        return fallback;
    }
    json_decref(fallback);
    return v;
}

void json_append_time(struct buf *out, const char *name, int64_t utc_ms)
{
    char text[TIME_TEXT_SIZE];

    if (utc_ms) {
        (void)buf_printf(out, ",\"%s\":\"%s\"", name, time_format_ms(utc_ms, text));
    } else {
        (void)buf_printf(out, ",\"%s\":null", name);
    }
}
