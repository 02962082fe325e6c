#pragma once

/*
 * Text for a terminal. Names, labels and logs are untrusted: none of their bytes may move the
 * cursor, change colours, set the title or reorder the text around them. Therefore control
 * characters (C0 and C1), invisible characters and direction marks are written as \x1b or \u202e,
 * and so are bytes that are not UTF-8. A backslash is not escaped: the text is for readers, not for
 * parsers.
 *
 * Sizes, durations and times have the words of docker, so that a column looks the same in both
 * programs.
 */

#include "base/buf.h"
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A copy in which control characters (also \n and \t), direction marks and bytes that are not UTF-8
 * are written as \x1b or \u202e. To be freed. NULL gives "".
 */
char *text_escape(const char *s, size_t size);
char *text_escape_str(const char *s);
/* For a line of a log: keeps tabs, and on request colours (SGR sequences) up to the line end. */
char *text_escape_log(const char *s, size_t size, bool keeps_colours);

/* Columns on a terminal, approximately: the code points of escaped text. */
size_t text_width(const char *s);
/* At most `width` columns; "…" replaces the rest. To be freed. */
char *text_cut(const char *s, size_t width);

/* "About a minute", "3 weeks", in docker's words. To be freed. */
char *text_duration(int64_t seconds);
/* "3 weeks ago" for a timestamp (RFC 3339), or `fallback` if it is not one. To be freed. */
char *text_ago(const char *timestamp, int64_t now_ms, const char *fallback);

/*
 * "3m", "2h", "5d": the whole units since a timestamp (RFC 3339); NULL if that is less than a minute
 * ago, or it is not a timestamp. To be freed.
 */
char *text_short_age(const char *timestamp, int64_t now_ms);

/* "1.98MB": three digits, powers of 1,000, as docker writes sizes. To be freed. */
char *text_size(int64_t bytes);

/*
 * The opposite, as docker reads sizes: "512m", "1.5G", "64kb"; powers of 1,024, and bytes without a
 * unit. "-1" is allowed, because it stands for no limit. -EINVAL.
 */
int text_parse_size(const char *s, int64_t *ret) _nodiscard_;

/* For a path segment or query value. To be freed. */
char *text_url_encode(const char *s);

/*
 * The value of --since or --until: RFC 3339, a date or the beginning of a timestamp, which is local
 * time if it has no zone, Unix seconds, or a duration before now. *ret is RFC 3339 in UTC, to be
 * freed. -EINVAL.
 */
int text_parse_time(const char *s, int64_t now_ms, char **ret, struct error *err) _nodiscard_;
