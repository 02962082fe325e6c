#include "base/log.h"
#include "base/buf.h"
#include "base/time.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_LINE ((size_t)16 * 1024)

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

/* A line that is too long is cut: a failed append is the way to say so. */
static void put(struct buf *b, const char *s)
{
    (void)buf_append_str(b, s);
}

static void put_escaped(struct buf *b, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == '"' || c == '\\') {
            (void)buf_printf(b, "\\%c", c);
        } else if (c == '\n') {
            put(b, "\\n");
        } else if (c < 0x20 || c == 0x7f) {
            (void)buf_printf(b, "\\u%04x", c);
        } else {
            (void)buf_append_char(b, (char)c);
        }
    }
}

static void put_quoted(struct buf *b, const char *s)
{
    put(b, "\"");
    put_escaped(b, s);
    put(b, "\"");
}

/* key=value needs quotes only where a reader could lose the end of the value. */
static void put_value(struct buf *b, const char *s)
{
    bool is_plain = *s != '\0';

    for (const char *p = s; *p && is_plain; p++)
        is_plain = (unsigned char)*p > ' ' && *p != '"' && *p != '=' && *p != '\\' && *p != 0x7f;
    if (is_plain) {
        put(b, s);
    } else {
        put_quoted(b, s);
    }
}

static void put_json_line(struct buf *b,
                          enum log_level level,
                          const char *const *fields,
                          const char *msg)
{
    char when[TIME_TEXT_SIZE];

    (void)buf_printf(b, "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":",
                     time_format_ms(time_utc_ms(), when), levels[level].name);
    put_quoted(b, msg);
    for (; fields && fields[0]; fields += 2) {
        put(b, ",");
        put_quoted(b, fields[0]);
        put(b, ":");
        put_quoted(b, fields[1] ? fields[1] : "");
    }
    put(b, "}");
}

static void put_text_line(struct buf *b,
                          enum log_level level,
                          const char *const *fields,
                          const char *msg)
{
    char when[TIME_TEXT_SIZE];

    if (getenv("JOURNAL_STREAM")) { /* NOLINT(concurrency-mt-unsafe): nothing here calls setenv() */
        (void)buf_printf(b, "<%d>", levels[level].journal);
    } else {
        (void)buf_printf(b, "%s ", time_format_ms(time_utc_ms(), when));
    }
    (void)buf_printf(b, "%s msg=", levels[level].name);
    put_quoted(b, msg);
    for (; fields && fields[0]; fields += 2) {
        (void)buf_printf(b, " %s=", fields[0]);
        put_value(b, fields[1] ? fields[1] : "");
    }
}

void log_write(enum log_level level, const char *const *fields, const char *fmt, ...)
{
    struct buf line = BUF_INIT(MAX_LINE);
    char msg[2048];
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
    (void)fwrite(buf_str(&line), 1, line.size, stderr); /* one call: lines of threads do not mix */
    buf_done(&line);
}
