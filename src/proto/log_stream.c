#include "proto/log_stream.h"
#include "base/str.h"
#include "proto/envelope.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STREAM(m) offsetof(struct msg_log_stream, m)
#define DATA(m)   offsetof(struct msg_log_data, m)

#define MAX_ID   128
#define MAX_TIME 64

#define OVERLAP_NS INT64_C(5000000000)

/* clang-format off: one field per line, in columns */
static const struct field stream_fields[] = {
    {"stream_id",    FIELD_STRING, STREAM(stream_id),    FIELD_REQUIRED | FIELD_NON_EMPTY, 0,  MAX_ID,
     NULL                                                                                                                  },
    {"action",       FIELD_STRING, STREAM(action),       FIELD_REQUIRED | FIELD_NON_EMPTY, 0,  MAX_ID,                 NULL},
    {"container_id", FIELD_STRING, STREAM(container_id), 0,                                0,  255,                    NULL},
    {"tail",         FIELD_I64,    STREAM(tail),         0,                                -1, LOG_STREAM_MAX_TAIL,    NULL},
    {"since",        FIELD_STRING, STREAM(since),        0,                                0,  MAX_TIME,               NULL},
    {"until",        FIELD_STRING, STREAM(until),        0,                                0,  MAX_TIME,               NULL},
    {"position",     FIELD_STRING, STREAM(position),     0,                                0,  LOG_POSITION_TEXT_SIZE, NULL},
    {"window",       FIELD_I64,    STREAM(window),       0,                                0,  LOG_STREAM_MAX_WINDOW,  NULL},
    {"bytes",        FIELD_I64,    STREAM(bytes),        0,                                0,  LOG_STREAM_MAX_WINDOW,  NULL},
    {"details",      FIELD_BOOL,   STREAM(has_details),  0,                                0,  0,                      NULL},
    {"until_exit",   FIELD_BOOL,   STREAM(until_exit),   0,                                0,  0,                      NULL},
};

static const struct field data_fields[] = {
    {"stream_id",  FIELD_STRING, DATA(stream_id),  FIELD_REQUIRED | FIELD_NON_EMPTY, 0, MAX_ID,                NULL},
    {"action",     FIELD_STRING, DATA(action),     FIELD_REQUIRED | FIELD_NON_EMPTY, 0, MAX_ID,                NULL},
    {"lines",      FIELD_ARRAY,  DATA(lines),      0,                                0, 0,                     NULL},
    {"bytes",      FIELD_I64,    DATA(bytes),      0,                                0, LOG_STREAM_MAX_WINDOW, NULL},
    {"reason",     FIELD_STRING, DATA(reason),     0,                                0, MAX_ID,                NULL},
    {"error",      FIELD_STRING, DATA(error),      0,                                0, 0,                     NULL},
    {"error_type", FIELD_STRING, DATA(error_type), 0,                                0, MAX_ID,                NULL},
    {"status",     FIELD_I64,    DATA(status),     0,                                0, 999,                   NULL},
    {"code",       FIELD_STRING, DATA(code),       0,                                0, 64,                    NULL},
};
/* clang-format on */

/* --- positions -------------------------------------------------------------------------------- */

void log_position_add(struct log_position *p, enum log_kind kind, int64_t time_ns)
{
    struct log_mark *m = &p->streams[kind == LOG_KIND_STDERR];

    if (kind == LOG_KIND_NOTE)
        return;
    if (time_ns > m->time_ns) {
        *m = (struct log_mark){time_ns, 1};
    } else if (time_ns == m->time_ns) {
        m->n_same++;
    }
}

bool log_position_is_empty(const struct log_position *p)
{
    return !p->streams[0].time_ns && !p->streams[1].time_ns;
}

int64_t log_position_newest(const struct log_position *p)
{
    int64_t a = p->streams[0].time_ns, b = p->streams[1].time_ns;

    return a > b ? a : b;
}

int64_t log_position_from(const struct log_position *p, int64_t floor_ns)
{
    int64_t a = p->streams[0].time_ns, b = p->streams[1].time_ns;
    int64_t older = a < b ? a : b, from = log_position_newest(p) - OVERLAP_NS;

    if (from < older)
        from = older;
    return from < floor_ns ? floor_ns : from;
}

const char *log_position_format(const struct log_position *p, char ret[LOG_POSITION_TEXT_SIZE])
{
    (void)snprintf(ret, LOG_POSITION_TEXT_SIZE, "%lld.%lld,%lld.%lld",
                   (long long)p->streams[0].time_ns, (long long)p->streams[0].n_same,
                   (long long)p->streams[1].time_ns, (long long)p->streams[1].n_same);
    return ret;
}

/* Reads a number that is followed by `end`, and moves *text behind it. */
static int take_number(const char **text, char end, int64_t *ret)
{
    char number[24];
    size_t n = strspn(*text, "0123456789");

    if (n == 0 || n >= sizeof(number) || (*text)[n] != end)
        return -EINVAL;
    memcpy(number, *text, n);
    number[n] = '\0';
    *text += n + (end != '\0');
    return parse_i64(number, ret);
}

int log_position_parse(const char *text, struct log_position *ret)
{
    struct log_position p;

    if (take_number(&text, '.', &p.streams[0].time_ns) < 0 ||
        take_number(&text, ',', &p.streams[0].n_same) < 0 ||
        take_number(&text, '.', &p.streams[1].time_ns) < 0 ||
        take_number(&text, '\0', &p.streams[1].n_same) < 0)
        return -EINVAL;
    *ret = p;
    return 0;
}

/* --- messages --------------------------------------------------------------------------------- */

static int check_times(const struct msg_log_stream *m, struct error *err)
{
    struct log_position p;

    if (m->position && log_position_parse(m->position, &p) < 0)
        return codec_error(err, -EBADMSG, "position", "not a position");
    return 0;
}

int msg_log_stream_decode(const json_t *payload, struct msg_log_stream *ret, struct error *err)
{
    struct msg_log_stream m = {.tail = -1};
    int r = codec_decode(stream_fields, ARRAY_LEN(stream_fields), payload, &m, err);

    if (r == 0)
        r = check_times(&m, err);
    if (r < 0) {
        msg_log_stream_done(&m);
        return error_wrap(err, r, "log_stream");
    }
    m.no_out = json_is_false(json_object_get(payload, "stdout"));
    m.no_err = json_is_false(json_object_get(payload, "stderr"));
    *ret = m;
    return 0;
}

void msg_log_stream_done(struct msg_log_stream *m)
{
    codec_done(stream_fields, ARRAY_LEN(stream_fields), m);
}

json_t *msg_log_stream_encode(const char *stream_id, const char *action, json_t *fields)
{
    return envelope_message("log_stream", envelope_part("stream_id", stream_id, action, fields));
}

int msg_log_line_read(const json_t *line, struct msg_log_line *ret)
{
    const json_t *kind = json_array_get(line, 0), *time = json_array_get(line, 1),
                 *text = json_array_get(line, 2);
    json_int_t k = json_integer_value(kind);

    if (!json_is_integer(kind) || !json_is_integer(time) || !json_is_string(text) || k < 0 ||
        k >= (json_int_t)LOG_N_KINDS || json_integer_value(time) < 0)
        return -EINVAL;
    *ret = (struct msg_log_line){
        .kind = (enum log_kind)k,
        .time_ns = json_integer_value(time),
        .text = json_string_value(text),
        .size = json_string_length(text),
        .is_partial = json_is_true(json_array_get(line, 3)),
    };
    return 0;
}

static int check_lines(const struct msg_log_data *m, struct error *err)
{
    struct msg_log_line line;
    size_t i;
    const json_t *v;

    json_array_foreach(m->lines, i, v)
    {
        if (msg_log_line_read(v, &line) < 0)
            return codec_error(err, -EBADMSG, "lines", "not a line");
    }
    return 0;
}

int msg_log_data_decode(const json_t *payload, struct msg_log_data *ret, struct error *err)
{
    struct msg_log_data m = {0};
    int r = codec_decode(data_fields, ARRAY_LEN(data_fields), payload, &m, err);

    if (r == 0)
        r = check_lines(&m, err);
    if (r < 0) {
        msg_log_data_done(&m);
        return error_wrap(err, r, "log_data");
    }
    *ret = m;
    return 0;
}

void msg_log_data_done(struct msg_log_data *m)
{
    codec_done(data_fields, ARRAY_LEN(data_fields), m);
}
