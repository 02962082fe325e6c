#pragma once

/*
 * Text for a terminal: names and logs come from strangers, so nothing of them may move the cursor, change
 * colours or reorder what is shown.
 */

#include "base/buf.h"
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A copy in which control characters (also \n and \t), direction marks and bytes that are not UTF-8 read
 * \x1b or \u202e. To be freed. NULL gives "".
 */
char *text_escape(const char *s, size_t size);
char *text_escape_str(const char *s);
/* For a line of a log: tabs stay, and colours (SGR sequences) if asked for; they end with the line. */
char *text_escape_log(const char *s, size_t size, bool keeps_colours);

/* Columns on a terminal, near enough: code points of escaped text. */
size_t text_width(const char *s);
/* At most `width` columns, the last of them "…" when cut. To be freed. */
char *text_cut(const char *s, size_t width);

/* "About a minute", "3 weeks": as docker words it. To be freed. */
char *text_duration(int64_t seconds);

/* "1.98MB": three digits, powers of a thousand, as docker writes sizes. To be freed. */
char *text_size(int64_t bytes);

/* For a path segment or query value. To be freed. */
char *text_url_encode(const char *s);

/*
 * What --since and --until take: RFC 3339, a date, unix seconds, or a duration (10m, 1h30m) before now.
 * Gives RFC 3339 in UTC, to be freed. -EINVAL.
 */
int text_parse_time(const char *s, int64_t now_ms, char **ret, struct error *err) _nodiscard_;
