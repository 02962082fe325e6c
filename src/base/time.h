#pragma once

/*
 * Time: the monotonic clock for timeouts, UTC milliseconds everywhere else, RFC 3339 at the edges.
 */

#include "base/macros.h"
#include <stddef.h>
#include <stdint.h>

#define TIME_TEXT_SIZE 32 /* fits every text these functions write, NUL included */

uint64_t time_monotonic_ms(void);
uint64_t time_boot_ms(void); /* monotonic, and goes on while the machine sleeps */
int64_t time_utc_ms(void);

/* "2026-11-23T01:53:00.123Z" into `ret`; times outside the years 0 to 9999 are clipped. */
const char *time_format_ms(int64_t utc_ms, char ret[TIME_TEXT_SIZE]);
/* "2026-11-23T01:53:00.123456789Z" from nanoseconds since the epoch. */
const char *time_format_ns(int64_t utc_ns, char ret[TIME_TEXT_SIZE]);

/*
 * RFC 3339 with any offset and 0 to 9 digits of fraction. -EINVAL when malformed, -ERANGE when an int64
 * of nanoseconds cannot hold it, as Docker's "never", the year 1.
 */
int time_parse_ns(const char *s, int64_t *ret_utc_ns) _nodiscard_;
