#pragma once

/*
 * Time: the monotonic clock for timeouts, UTC milliseconds everywhere else, RFC 3339 at the edges.
 */

#include "base/macros.h"
#include <stddef.h>
#include <stdint.h>

#define MS_PER_S  INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)
#define MINUTE_MS (60 * MS_PER_S)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

#define TIME_TEXT_SIZE 32 /* longest text of these functions, including the NUL */

uint64_t time_monotonic_ms(void);
uint64_t time_boot_ms(void); /* monotonic, including the time of suspend */
int64_t time_utc_ms(void);

/* a / b for b > 0, rounded down: intervals are the same before and after 1970. */
static inline int64_t time_div_floor(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* "2026-11-23T01:53:00.123Z" into `ret`; times outside the years 0 to 9999 are clipped. */
const char *time_format_ms(int64_t utc_ms, char ret[TIME_TEXT_SIZE]);
/* "2026-11-23T01:53:00Z", rounded down. */
const char *time_format_s(int64_t utc_ms, char ret[TIME_TEXT_SIZE]);
/* "2026-11-23T01:53:00.123456789Z" from nanoseconds since the epoch. */
const char *time_format_ns(int64_t utc_ns, char ret[TIME_TEXT_SIZE]);

/*
 * Parses RFC 3339 with any offset and 0 to 9 digits of fraction. -EINVAL: malformed; -ERANGE:
 * outside an int64 of nanoseconds, as the year 1, which Docker uses for "never".
 */
int time_parse_ns(const char *s, int64_t *ret_utc_ns) _nodiscard_;
/*
 * The time that a line of a log begins with, as time_parse_ns() reads it. Returns its bytes with
 * the blank behind it; 0: the line has none.
 */
size_t time_parse_stamp(const char *line, size_t size, int64_t *ret_utc_ns);
