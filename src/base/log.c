#include "base/log.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LIMIT_PERIOD_MS 60000
#define MAX_LINE        ((size_t)32 * 1024)
#define MAX_MSG         2048
#define MAX_VALUE       1024 /* bytes of one field that are shown */

/* A field is omitted if its longest form (6 bytes for 1, and its key) might not fit. */
#define FIELD_ROOM ((size_t)MAX_VALUE * 6 + 256)

static const struct {
    const char *name;
    int journal; /* syslog priority */
} levels[] = {
    [LOG_LEVEL_DEBUG] = {"debug",   7},
    [LOG_LEVEL_INFO] = {"info",    6},
    [LOG_LEVEL_WARN] = {"warning", 4},
    [LOG_LEVEL_ERROR] = {"error",   3},
};

static _Atomic int threshold = LOG_LEVEL_INFO;
static _Atomic bool json_lines;

void log_set_level(enum log_level level)
{
    threshold = (int)level;
}

enum log_level log_get_level(void)
{
    return (enum log_level)threshold;
}

const char *log_level_name(enum log_level level)
{
    return levels[level].name;
}

void log_set_json(bool is_json)
{
    json_lines = is_json;
}

int log_level_parse(const char *s, enum log_level *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (strcasecmp(s, levels[i].name) == 0) {
            *ret = (enum log_level)i;
            return 0;
        }
    }
    if (strcasecmp(s, "warn") == 0) {
        *ret = LOG_LEVEL_WARN;
        return 0;
    }
    return -EINVAL;
}

/* Cannot fail: the longest message fits into MAX_LINE, and fields are added only while they fit. */
static void put(struct buf *b, const char *s)
{
    (void)buf_append_str(b, s);
}

/* Escapes characters that control a terminal or are invalid in JSON. */
static void put_escaped(struct buf *b, const char *s)
{
    for (size_t i = 0, n; i < MAX_MSG && s[i]; i += n ? n : 1) {
        unsigned char c = (unsigned char)s[i];

        n = utf8_length(s + i, strnlen(s + i, UTF8_MAX));
        if (n == 0) {
            put(b, "\\ufffd");
        } else if (c == '"' || c == '\\') {
            (void)buf_printf(b, "\\%c", c);
        } else if (c == '\n') {
            put(b, "\\n");
        } else if (c < 0x20 || c == 0x7f) {
            (void)buf_printf(b, "\\u%04x", c);
        } else if (c == 0xc2 && (unsigned char)s[i + 1] < 0xa0) {
            (void)buf_printf(b, "\\u%04x", (unsigned char)s[i + 1]);
        } else {
            (void)buf_append(b, s + i, n);
        }
    }
}

static void put_quoted(struct buf *b, const char *s)
{
    put(b, "\"");
    put_escaped(b, s);
    put(b, "\"");
}

/* A value is quoted only if its end would be ambiguous. */
static void put_value(struct buf *b, const char *s)
{
    bool is_plain = *s != '\0';

    for (const char *p = s; *p && is_plain; p++)
        is_plain = *p > ' ' && *p < 0x7f && !strchr("\"=\\", *p);
    if (is_plain) {
        put(b, s);
    } else {
        put_quoted(b, s);
    }
}

/* Returns the next field's value, truncated; NULL: there is none, or the line is full. */
static const char *next_value(const struct buf *b,
                              const char *const *fields,
                              char ret[MAX_VALUE + 1])
{
    if (!fields || !fields[0] || b->size > MAX_LINE - FIELD_ROOM)
        return NULL;
    str_copy(ret, MAX_VALUE + 1, fields[1] ? fields[1] : "");
    return ret;
}

static void put_json_line(struct buf *b,
                          enum log_level level,
                          const char *const *fields,
                          const char *msg)
{
    char when[TIME_TEXT_SIZE], value[MAX_VALUE + 1];

    (void)buf_printf(b, "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":",
                     time_format_ms(time_utc_ms(), when), levels[level].name);
    put_quoted(b, msg);
    for (; next_value(b, fields, value); fields += 2) {
        put(b, ",");
        put_quoted(b, fields[0]);
        put(b, ":");
        put_quoted(b, value);
    }
    put(b, "}");
}

static void put_text_line(struct buf *b,
                          enum log_level level,
                          const char *const *fields,
                          const char *msg)
{
    char when[TIME_TEXT_SIZE], value[MAX_VALUE + 1];

    if (getenv("JOURNAL_STREAM")) { /* NOLINT(concurrency-mt-unsafe): nothing here calls setenv() */
        (void)buf_printf(b, "<%d>", levels[level].journal);
    } else {
        (void)buf_printf(b, "%s ", time_format_ms(time_utc_ms(), when));
    }
    (void)buf_printf(b, "%s msg=", levels[level].name);
    put_quoted(b, msg);
    for (; next_value(b, fields, value); fields += 2) {
        (void)buf_printf(b, " %s=", fields[0]);
        put_value(b, value);
    }
}

void log_write(enum log_level level, const char *const *fields, const char *fmt, ...)
{
    struct buf line = BUF_INIT(MAX_LINE);
    char msg[MAX_MSG];
    va_list ap;

    if ((int)level < threshold)
        return;

    va_start(ap, fmt);
    (void)vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    if (json_lines) {
        put_json_line(&line, level, fields, msg);
    } else {
        put_text_line(&line, level, fields, msg);
    }
    put(&line, "\n");
    /* one call, so that lines of threads do not mix */
    (void)fwrite(buf_str(&line), 1, line.size, stderr);
    buf_done(&line);
}

bool log_limit_pass(struct log_limit *l, uint64_t now_ms, unsigned *ret_left_out)
{
    *ret_left_out = 0;
    if (l->n == 0 || now_ms - l->since_ms >= LIMIT_PERIOD_MS) {
        *ret_left_out = l->n_left_out;
        *l = (struct log_limit){.since_ms = now_ms};
    }
    if (l->n < LOG_LIMIT_LINES) {
        l->n++;
        return true;
    }
    l->n_left_out++;
    return false;
}
