#include "base/time.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MAX_STAMP 64                    /* more than a time can have */
#define YEAR_0000 INT64_C(-62167219200) /* seconds */
#define YEAR_9999 INT64_C(253402300799)

uint64_t time_monotonic_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t time_boot_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int64_t time_utc_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * MS_PER_S + ts.tv_nsec / NS_PER_MS;
}

static const char *format(int64_t seconds, char ret[TIME_TEXT_SIZE])
{
    struct tm tm;
    time_t t;

    if (seconds < YEAR_0000)
        seconds = YEAR_0000;
    if (seconds > YEAR_9999)
        seconds = YEAR_9999;
    t = (time_t)seconds;
    (void)gmtime_r(&t, &tm);
    (void)snprintf(ret, TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u",
                   (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
                   (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
                   (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
    return ret;
}

const char *time_format_ms(int64_t utc_ms, char ret[TIME_TEXT_SIZE])
{
    int64_t s = time_div_floor(utc_ms, MS_PER_S);
    size_t n = strlen(format(s, ret));

    (void)snprintf(ret + n, TIME_TEXT_SIZE - n, ".%03uZ", (unsigned)(utc_ms - s * MS_PER_S));
    return ret;
}

const char *time_format_s(int64_t utc_ms, char ret[TIME_TEXT_SIZE])
{
    size_t n = strlen(format(time_div_floor(utc_ms, MS_PER_S), ret));

    (void)snprintf(ret + n, TIME_TEXT_SIZE - n, "Z");
    return ret;
}

const char *time_format_ns(int64_t utc_ns, char ret[TIME_TEXT_SIZE])
{
    int64_t s = time_div_floor(utc_ns, NS_PER_S);
    size_t n = strlen(format(s, ret));

    (void)snprintf(ret + n, TIME_TEXT_SIZE - n, ".%09uZ", (unsigned)(utc_ns - s * NS_PER_S));
    return ret;
}

/* Reads exactly `n` digits. */
static int digits(const char **s, int n, int *ret)
{
    int v = 0;

    for (int i = 0; i < n; i++, (*s)++) {
        if (**s < '0' || **s > '9')
            return -EINVAL;
        v = v * 10 + (**s - '0');
    }
    *ret = v;
    return 0;
}

static int literal(const char **s, const char *allowed)
{
    if (!**s || !strchr(allowed, **s))
        return -EINVAL;
    (*s)++;
    return 0;
}

static int parse_fraction(const char **s, int64_t *ret_ns)
{
    int64_t ns = 0, unit = NS_PER_S / 10;

    if (**s != '.') {
        *ret_ns = 0;
        return 0;
    }
    (*s)++;
    if (**s < '0' || **s > '9')
        return -EINVAL;
    for (; **s >= '0' && **s <= '9'; (*s)++, unit /= 10) {
        if (unit == 0)
            return -EINVAL;
        ns += (**s - '0') * unit;
    }
    *ret_ns = ns;
    return 0;
}

static int parse_offset(const char **s, int64_t *ret_seconds)
{
    int sign, hours, minutes;

    if (**s == 'Z' || **s == 'z') {
        (*s)++;
        *ret_seconds = 0;
        return 0;
    }
    sign = **s == '-' ? -1 : 1;
    if (literal(s, "+-") < 0 || digits(s, 2, &hours) < 0 || literal(s, ":") < 0 ||
        digits(s, 2, &minutes) < 0 || hours > 23 || minutes > 59)
        return -EINVAL;
    *ret_seconds = INT64_C(60) * sign * (hours * 60 + minutes);
    return 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && is_leap ? 29 : days[month - 1];
}

static int parse_date(const char **s, struct tm *ret)
{
    struct tm tm = {0};

    if (digits(s, 4, &tm.tm_year) < 0 || literal(s, "-") < 0 || digits(s, 2, &tm.tm_mon) < 0 ||
        literal(s, "-") < 0 || digits(s, 2, &tm.tm_mday) < 0 || literal(s, "Tt ") < 0)
        return -EINVAL;
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
        tm.tm_mday > days_in_month(tm.tm_year, tm.tm_mon))
        return -EINVAL;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ret = tm;
    return 0;
}

static int parse_clock(const char **s, struct tm *tm)
{
    if (digits(s, 2, &tm->tm_hour) < 0 || literal(s, ":") < 0 || digits(s, 2, &tm->tm_min) < 0 ||
        literal(s, ":") < 0 || digits(s, 2, &tm->tm_sec) < 0)
        return -EINVAL;
    if (tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60)
        return -EINVAL;
    return 0;
}

int time_parse_ns(const char *s, int64_t *ret_utc_ns)
{
    struct tm tm;
    int64_t fraction, offset, ns;

    if (!s || parse_date(&s, &tm) < 0 || parse_clock(&s, &tm) < 0 ||
        parse_fraction(&s, &fraction) < 0 || parse_offset(&s, &offset) < 0 || *s)
        return -EINVAL;
    if (__builtin_mul_overflow((int64_t)timegm(&tm) - offset, NS_PER_S, &ns) ||
        __builtin_add_overflow(ns, fraction, &ns))
        return -ERANGE;
    *ret_utc_ns = ns;
    return 0;
}

size_t time_parse_stamp(const char *line, size_t size, int64_t *ret_utc_ns)
{
    const char *blank = memchr(line, ' ', size < MAX_STAMP ? size : MAX_STAMP);
    size_t n = blank ? (size_t)(blank - line) : 0;
    char text[MAX_STAMP];

    memcpy(text, line, n);
    text[n] = '\0';
    return n > 0 && time_parse_ns(text, ret_utc_ns) == 0 ? n + 1 : 0;
}
