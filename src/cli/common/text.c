#include "cli/common/text.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MINUTE INT64_C(60)
#define HOUR   INT64_C(3600)
#define DAY    INT64_C(86400)

/* Size of the UTF-8 sequence at `s`, and its code point; 0 if it is malformed. */
static size_t read_point(const char *s, size_t size, uint32_t *ret)
{
    unsigned char c = (unsigned char)*s;
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    if (n > size || !str_is_utf8(s, n))
        return 0;
    *ret = n == 1 ? c : c & (0x7fU >> n);
    for (size_t i = 1; i < n; i++)
        *ret = *ret << 6 | ((unsigned char)s[i] & 0x3f);
    return n;
}

static bool is_unsafe(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        {0x00,   0x1f  },
        {0x7f,   0x9f  },
        {0x200b, 0x200f},
        {0x2028, 0x202e},
        {0x2060, 0x2069},
        {0xfeff, 0xfeff},
    };

    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    }
    return false;
}

/* Characters that logs may keep, unlike names. */
enum keep { KEEP_NOTHING = 0, KEEP_TABS = 1 << 0, KEEP_COLOURS = 1 << 1 };

/* Length of the escape sequence at `s` that sets colours, 0 if it is anything else. */
static size_t measure_colour(const char *s, size_t size)
{
    size_t n = 2;

    if (size < 3 || s[0] != '\x1b' || s[1] != '[')
        return 0;
    while (n < size && (isdigit((unsigned char)s[n]) || s[n] == ';'))
        n++;
    return n < size && s[n] == 'm' ? n + 1 : 0;
}

static char *escape(const char *s, size_t size, unsigned keep)
{
    struct buf out = BUF_INIT(6 * size + 8);
    bool has_colours = false;
    uint32_t point = 0;
    size_t n;
    int r = 0;

    for (size_t i = 0; i < size && r == 0; i += n) {
        n = keep & KEEP_COLOURS ? measure_colour(s + i, size - i) : 0;
        if (n > 0) {
            has_colours = true;
            r = buf_append(&out, s + i, n);
            continue;
        }
        n = read_point(s + i, size - i, &point);
        if (n > 0 && (!is_unsafe(point) || (keep & KEEP_TABS && point == '\t'))) {
            r = buf_append(&out, s + i, n);
        } else if (n < 2 || point < 0x100) {
            r = buf_printf(&out, "\\x%02x", n ? point : (unsigned char)s[i]);
        } else {
            r = buf_printf(&out, "\\u%04x", point);
        }
        n = n ? n : 1;
    }
    if (has_colours)
        r = buf_append_str(&out, "\x1b[0m");
    (void)r; /* the maximum holds the longest escapes */
    return buf_take(&out);
}

char *text_escape(const char *s, size_t size)
{
    return escape(s, size, KEEP_NOTHING);
}

char *text_escape_log(const char *s, size_t size, bool keeps_colours)
{
    return escape(s, size, KEEP_TABS | (keeps_colours ? KEEP_COLOURS : 0U));
}

char *text_escape_str(const char *s)
{
    return text_escape(s ? s : "", s ? strlen(s) : 0);
}

size_t text_width(const char *s)
{
    return str_code_points(s);
}

char *text_cut(const char *s, size_t width)
{
    size_t size = 0;
    uint32_t point;

    if (text_width(s) <= width)
        return xstrdup(s);
    for (size_t i = 1; i < width; i++)
        size += read_point(s + size, strlen(s + size), &point);
    return xasprintf("%.*s\xe2\x80\xa6", (int)size, s);
}

char *text_duration(int64_t seconds)
{
    static const struct {
        int64_t below; /* seconds */
        int64_t unit;  /* 0: the words stand alone */
        const char *words;
    } steps[] = {
        {1,           0,         "Less than a second"},
        {2,           0,         "1 second"          },
        {MINUTE,      1,         "seconds"           },
        {2 * MINUTE,  0,         "About a minute"    },
        {46 * MINUTE, MINUTE,    "minutes"           },
        {90 * MINUTE, 0,         "About an hour"     },
        {48 * HOUR,   HOUR,      "hours"             },
        {14 * DAY,    DAY,       "days"              },
        {60 * DAY,    7 * DAY,   "weeks"             },
        {730 * DAY,   30 * DAY,  "months"            },
        {INT64_MAX,   365 * DAY, "years"             },
    };
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(steps) && seconds >= steps[i].below)
        i++;
    if (steps[i].unit == 0)
        return xstrdup(steps[i].words);
    if (steps[i].unit == HOUR) /* docker rounds hours, and only these */
        seconds += HOUR / 2;
    return xasprintf("%lld %s", (long long)(seconds / steps[i].unit), steps[i].words);
}

char *text_ago(const char *timestamp, int64_t now_ms, const char *fallback)
{
    _cleanup_free_ char *age = NULL;
    int64_t ns;

    if (time_parse_ns(timestamp, &ns) < 0)
        return xstrdup(fallback);
    age = text_duration(now_ms / 1000 - ns / 1000000000);
    return xasprintf("%s ago", age);
}

char *text_size(int64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double size = bytes > 0 ? (double)bytes : 0;
    size_t i = 0;

    while (size >= 999.5 && i + 1 < ARRAY_LEN(units)) { /* rounds to 1000: use the next unit */
        size /= 1000;
        i++;
    }
    return xasprintf("%.3g%s", size, units[i]);
}

char *text_url_encode(const char *s)
{
    struct buf out = BUF_INIT(3 * strlen(s) + 1);
    int r = 0;

    for (; *s && r == 0; s++) {
        unsigned char c = (unsigned char)*s;

        r = isalnum(c) || strchr("-._~", c) ? buf_append_char(&out, *s)
                                            : buf_printf(&out, "%%%02X", c);
    }
    return buf_take(&out);
}

/* "2026-11-23", "2026-11-23T10:00" and other beginnings of a timestamp are taken as UTC. */
static int parse_date(const char *s, int64_t *ret_ns)
{
    static const char rest[] = "0000-00-00T00:00:00Z";
    _cleanup_free_ char *full = NULL;
    size_t n = strlen(s);

    if (time_parse_ns(s, ret_ns) == 0)
        return 0;
    if (n != 10 && n != 13 && n != 16 && n != 19)
        return -EINVAL;
    full = xasprintf("%s%s", s, rest + n);
    return time_parse_ns(full, ret_ns);
}

int text_parse_time(const char *s, int64_t now_ms, char **ret, struct error *err)
{
    char text[TIME_TEXT_SIZE];
    uint64_t number;
    int64_t ns;

    if (parse_u64(s, UINT32_MAX, &number) == 0) {
        ns = (int64_t)number * 1000000000;
    } else if (parse_duration_ms(s, &number) == 0 && number <= (uint64_t)now_ms) {
        ns = (now_ms - (int64_t)number) * 1000000;
    } else if (parse_date(s, &ns) < 0) {
        return error_set(
            err, -EINVAL,
            "\"%s\" is not a time; give 2026-01-31T12:00:00Z, 2026-01-31, Unix seconds "
            "or a duration such as 10m or 1h30m",
            s);
    }
    *ret = xstrdup(time_format_ms(ns / 1000000, text));
    return 0;
}
