#pragma once

/*
 * Parsing and writing of JSON text: the rules for every frame and body, from any peer. Out of
 * memory ends the process (docs/adr/0002).
 */

#include "base/error.h"
#include "base/macros.h"
#include <jansson.h>
#include <stddef.h>

#define JSON_TEXT_MAX_DEPTH 64
/* A tree takes about 50 to 150 bytes a value, whatever the size of the text. */
#define JSON_TEXT_MAX_NODES 1000000

/*
 * NULL with `err` filled: -EBADMSG: the text is not one JSON value, contains an object with a
 * duplicate key, or is nested deeper than `max_depth` (0: JSON_TEXT_MAX_DEPTH); -EMSGSIZE: it has
 * more than JSON_TEXT_MAX_NODES values. NUL characters inside strings are
 * accepted, because logs contain them; the field tables of codec.h refuse them.
 */
json_t *json_text_parse(const char *text, size_t size, size_t max_depth, struct error *err)
    _nodiscard_;

/* The same, for peers whose messages never have more than `max_nodes` values. */
json_t *json_text_parse_small(const char *text, size_t size, size_t max_nodes, struct error *err)
    _nodiscard_;

/* Returns the number of values in a text, or more than that. */
size_t json_text_count_nodes(const char *text, size_t size);

/* Compact text, NUL-terminated, to be freed by the caller. `ret_size` may be NULL. */
char *json_text_write(const json_t *v, size_t *ret_size) _nodiscard_;

/*
 * A JSON string of any bytes; invalid UTF-8 is replaced by U+FFFD, as by Go's encoder. Never NULL.
 */
json_t *json_text_string(const char *s, size_t size) _nodiscard_;
json_t *json_text_str(const char *s) _nodiscard_; /* NULL gives null */

/* Returns a member that is a string without NUL, or NULL. Borrowed from `object`. */
const char *json_text_get(const json_t *object, const char *key);
/*
 * Sets a member; takes ownership of `value`, and NULL gives null. A value that could not be made
 * costs its member and never ends the process: without an object it is released and logged.
 */
void json_text_set(json_t *object, const char *key, json_t *value);
