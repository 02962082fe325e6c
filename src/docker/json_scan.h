#pragma once

/*
 * JSON as text: the engine's objects are checked, looked into and passed on without building a tree. A
 * tree of 300 list elements costs 20 ms to parse and to write again, this costs 2.
 *
 * Spans are borrowed parts of a text that json_scan_check() has accepted; only such text may be given to
 * the other functions.
 */

#include "base/buf.h"
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

#define JSON_SCAN_MAX_DEPTH 64

struct json_span {
    const char *p;
    size_t n;
};

/*
 * 0 when the text is one JSON value in valid UTF-8, at most JSON_SCAN_MAX_DEPTH deep; 1 when it is, but
 * holds \u0000 or half a surrogate pair, which other readers refuse: then pass it through json_scan_mend().
 * -EBADMSG otherwise.
 */
int json_scan_check(const char *text, size_t size, struct error *err) _nodiscard_;

/* Writes \ufffd over such escapes; the size does not change. */
void json_scan_mend(char *text, size_t size);

/* Walks the members of an object or the items of an array; any other value has none. */
struct json_iter {
    const char *p, *end;
    bool is_object;
};
void json_iter_init(struct json_iter *it, struct json_span value);
/* `key` is the text between the quotes, escapes and all; empty in arrays. */
bool json_iter_next(struct json_iter *it, struct json_span *key, struct json_span *value);

bool json_span_is(struct json_span s, const char *text);
/* The value of a member, {NULL, 0} when absent. */
struct json_span json_span_find(struct json_span object, const char *key);
/* Copies what is between the quotes of a string without escapes; false when it is anything else or too long. */
bool json_span_copy_string(struct json_span s, char *to, size_t capacity);

/* Appends `s` as JSON string: bytes that are not UTF-8, and NUL, become U+FFFD. */
int json_append_string(struct buf *b, const char *s, size_t size) _nodiscard_;
/*
 * How many of the first bytes of `s` fit into `max` bytes of JSON (without the quotes); *ret_encoded is
 * what they take there.
 */
size_t json_string_fit(const char *s, size_t size, size_t max, size_t *ret_encoded);
