#include "cli/common/text.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MINUTE INT64_C(60)
#define HOUR   INT64_C(3600)
#define DAY    INT64_C(86400)

#define DATE_SIZE 10 /* "2026-11-23" */

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

char *text_short_age(const char *timestamp, int64_t now_ms)
{
    int64_t ns, minutes;

    if (time_parse_ns(timestamp, &ns) < 0)
        return NULL;
    minutes = (now_ms - ns / 1000000) / 60000;
    if (minutes < 1)
        return NULL;
    if (minutes < 60)
        return xasprintf("%lldm", (long long)minutes);
    if (minutes < 48 * INT64_C(60))
        return xasprintf("%lldh", (long long)(minutes / 60));
    return xasprintf("%lldd", (long long)(minutes / (24 * INT64_C(60))));
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

int text_parse_size(const char *s, int64_t *ret)
{
    static const char units[] = "bkmgtp";
    char *end = NULL;
    double size;
    const char *unit;

    if (str_eq(s, "-1")) {
        *ret = -1;
        return 0;
    }
    if (!isdigit((unsigned char)*s))
        return -EINVAL; /* strtod() takes signs, blanks and words, too */
    size = strtod(s, &end);
    unit = *end ? strchr(units, tolower((unsigned char)*end)) : units;
    if (!unit)
        return -EINVAL;
    if (*end)
        end++;
    if (unit > units && tolower((unsigned char)*end) == 'i')
        end++;
    if (unit > units && tolower((unsigned char)*end) == 'b')
        end++;
    for (; unit > units; unit--)
        size *= 1024;
    if (*end || size > (double)(INT64_C(1) << 53))
        return -EINVAL;
    *ret = (int64_t)size;
    return 0;
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

/* Where the zone begins: "Z", "+01:00". At the end if the text has none. */
static size_t find_zone(const char *s)
{
    size_t n = strlen(s);

    if (n > DATE_SIZE && (s[n - 1] == 'Z' || s[n - 1] == 'z'))
        return n - 1;
    if (n >= DATE_SIZE + 6 && (s[n - 6] == '+' || s[n - 6] == '-') && s[n - 3] == ':')
        return n - 6;
    return n;
}

/* Reads a time that was parsed as UTC as one of the local zone. */
static int64_t read_as_local(int64_t ns)
{
    time_t seconds = (time_t)time_div_floor(ns, NS_PER_S);
    struct tm tm;

    (void)gmtime_r(&seconds, &tm);
    tm.tm_isdst = -1;
    return (int64_t)mktime(&tm) * NS_PER_S + (ns - (int64_t)seconds * NS_PER_S);
}

/*
 * "2026-11-23", "2026-11-23T10:00" and other beginnings of a timestamp, each with or without a
 * zone. Without one it is local time, as with docker.
 */
static int parse_date(const char *s, int64_t *ret_ns)
{
    static const char rest[] = "0000-00-00T00:00:00";
    size_t n = find_zone(s);
    bool is_local = s[n] == '\0';
    _cleanup_free_ char *full = NULL;
    int64_t ns;

    if (n != 10 && n != 13 && n != 16 && n < 19)
        return -EINVAL;
    full = xasprintf("%.*s%s%s", (int)n, s, n < 19 ? rest + n : "", is_local ? "Z" : s + n);
    if (time_parse_ns(full, &ns) < 0)
        return -EINVAL;
    *ret_ns = is_local ? read_as_local(ns) : ns;
    return 0;
}

/* "1795395600" or "1795395600.5". */
static int parse_unix(const char *s, int64_t *ret_ns)
{
    size_t size = strcspn(s, ".");
    _cleanup_free_ char *seconds = xstrndup(s, size);
    size_t digits = s[size] ? strlen(s + size + 1) : 0;
    uint64_t whole, fraction = 0;

    if (parse_u64(seconds, UINT32_MAX, &whole) < 0 || digits > 9 || (s[size] && digits == 0) ||
        (digits > 0 && parse_u64(s + size + 1, NS_PER_S, &fraction) < 0))
        return -EINVAL;
    for (; digits > 0 && digits < 9; digits++)
        fraction *= 10;
    *ret_ns = (int64_t)(whole * NS_PER_S + fraction);
    return 0;
}

/* A duration in Go's syntax, and with d and w for days and weeks: "90s", "1h30m", "7d". */
static int parse_ago(const char *s, uint64_t *ret)
{
    uint64_t total = 0;

    /* Weeks and days are read as hours, which the parser of the configuration knows. */
    while (*s) {
        size_t size = strspn(s, "0123456789.");
        unsigned hours = s[size] == 'w' ? 7 * 24 : s[size] == 'd' ? 24 : 0;
        _cleanup_free_ char *part = hours ? xasprintf("%.*sh", (int)size, s) : xstrdup(s);
        uint64_t ms;

        if (parse_duration_ms(part, &ms) < 0 ||
            __builtin_mul_overflow(ms, hours ? hours : 1, &ms) ||
            __builtin_add_overflow(total, ms, &total))
            return -EINVAL;
        s += hours ? size + 1 : strlen(s);
        if (*s == '\0') {
            *ret = total;
            return 0;
        }
    }
    return -EINVAL;
}

int text_parse_time(const char *s, int64_t now_ms, char **ret, struct error *err)
{
    char text[TIME_TEXT_SIZE];
    uint64_t ago;
    int64_t ns;

    if (parse_ago(s, &ago) == 0 && ago <= (uint64_t)now_ms &&
        strspn(s, "0123456789.") < strlen(s)) {
        ns = (now_ms - (int64_t)ago) * NS_PER_MS;
    } else if (parse_unix(s, &ns) < 0 && parse_date(s, &ns) < 0) {
        return error_set(
            err, -EINVAL,
            "\"%s\" is not a time; give 2026-01-31T12:00:00 or 2026-01-31 in local time, "
            "2026-01-31T12:00:00Z, Unix seconds, or a duration such as 10m, 1h30m or 7d",
            s);
    }
    *ret = xstrdup(ns % NS_PER_MS ? time_format_ns(ns, text)
                                  : time_format_ms(ns / NS_PER_MS, text));
    return 0;
}
