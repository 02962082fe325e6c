#pragma once

/*
 * Text: strict parsing of numbers, booleans and durations, and small predicates. Parsers take the
 * whole string or refuse it (-EINVAL, -ERANGE); on failure *ret is unchanged.
 */

#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int parse_u64(const char *s, uint64_t max, uint64_t *ret) _nodiscard_;
int parse_i64(const char *s, int64_t *ret) _nodiscard_;
int parse_bool(const char *s, bool *ret)
    _nodiscard_; /* as Go's ParseBool: 1 t T TRUE true True, 0 f ... */
int parse_duration_ms(const char *s, uint64_t *ret)
    _nodiscard_; /* Go syntax: 300ms, 1.5s, 2m30s, 1h; "0" */
int parse_host_port(const char *s, char **ret_host, uint16_t *ret_port)
    _nodiscard_; /* 1.2.3.4:80, [::1]:80, :80 */

bool str_is_empty(const char *s);          /* NULL or "" */
bool str_eq(const char *a, const char *b); /* NULL equals NULL only */
bool str_starts_with(const char *s, const char *prefix);
bool str_ends_with(const char *s, const char *suffix);
bool str_is_hex(const char *s, size_t length); /* exactly `length` lowercase hex digits */
bool str_is_uuid(const char *s);               /* 8-4-4-4-12 lowercase hex digits */
bool str_is_utf8(const char *s, size_t size); /* valid UTF-8 without surrogates or overlong forms */
size_t str_code_points(const char *s);        /* of valid UTF-8 */
/*
 * Returns the size of the longest prefix of at most `max` bytes that ends at a whole character. Text
 * that is not UTF-8 is cut at `max`.
 */
size_t str_cut(const char *s, size_t size, size_t max) _nodiscard_;
/* The two arguments of "%.*s" for text of a peer, which a plain precision would cut by bytes. */
#define STR_CUT(s, max) (int)str_cut((s), strlen(s), (max)), (s)
/*
 * Makes valid UTF-8 of any text, in place: an incomplete character at the end is dropped, other
 * invalid bytes become "?".
 */
void str_mend(char *s);
char *str_trim(char *s); /* in place: cuts ASCII space at both ends, returns the first byte kept */
void str_copy(char *to,
              size_t capacity,
              const char *from); /* always terminated, cut by str_cut() when too long */

/* Whether the engine accepts it as container ID or name; checked before text is put into a path. */
bool str_is_container_ref(const char *s);
/*
 * The same for an image: an ID (with or without "sha256:"), or a name such as host:5000/web:1.2 or
 * web@sha256:...; at most 512 bytes. Parts between slashes begin with a letter or digit.
 */
bool str_is_image_ref(const char *s);

/* Constant-time comparison of secrets of any length. */
bool str_eq_secret(const char *a, const char *b);
