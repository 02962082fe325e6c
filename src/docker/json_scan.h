#pragma once

/*
 * JSON as text: objects of the engine are checked, searched and forwarded without a tree. Parsing
 * and writing a tree of 300 list elements takes 20 ms, scanning it 2 ms.
 *
 * Spans are borrowed parts of a text that json_scan_check() has accepted; the other functions
 * require such text.
 */

#include "base/buf.h"
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

/* Elements are parts of messages, which may be 64 levels deep. */
#define JSON_SCAN_MAX_DEPTH 56

struct json_span {
    const char *p;
    size_t n;
};

/*
 * 0: the text is one JSON value in valid UTF-8, at most JSON_SCAN_MAX_DEPTH levels deep. 1: the
 * same, but it may contain something that other parsers refuse; then use json_scan_mend(). -EBADMSG:
 * anything else.
 */
int json_scan_check(const char *text, size_t size, struct error *err) _nodiscard_;

/*
 * Makes text that json_scan_check() has accepted readable for every parser, in place; returns its
 * new size, which is never larger. \u0000 and halves of surrogate pairs become \ufffd, of members
 * with one key the first remains, integers that need more than 64 bits become the nearest one, and
 * other numbers out of range null. White space is dropped.
 */
size_t json_scan_mend(char *text, size_t size) _nodiscard_;
/*
 * The same, but all members with one key remain, for parsers that refuse them, and numbers out of
 * range become 1e308 or -1e308, for callers to which null means an absent value.
 */
size_t json_scan_mend_values(char *text, size_t size) _nodiscard_;

/* Iterates over the members of an object or the items of an array; other values have none. */
struct json_iter {
    const char *p, *end;
    bool is_object;
};
void json_iter_init(struct json_iter *it, struct json_span value);
/* `key` is the text between the quotes, including escapes; empty in arrays. */
bool json_iter_next(struct json_iter *it, struct json_span *key, struct json_span *value);

bool json_span_is(struct json_span s, const char *text);
/* Returns the value of a member; {NULL, 0}: absent. */
struct json_span json_span_find(struct json_span object, const char *key);
/* Copies a string without escapes and without its quotes; false: another value, or too long. */
bool json_span_copy_string(struct json_span s, char *to, size_t capacity);

/* Appends `s` as JSON string; NUL and invalid UTF-8 are replaced by U+FFFD. */
int json_append_string(struct buf *b, const char *s, size_t size) _nodiscard_;
/*
 * Returns how many of the first bytes of `s` fit into `max` bytes of JSON (without the quotes);
 * *ret_encoded is their size as JSON.
 */
size_t json_string_fit(const char *s, size_t size, size_t max, size_t *ret_encoded);
