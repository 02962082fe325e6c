#pragma once

/*
 * Base64 as in RFC 4648, section 4: with padding, without line breaks. Decoding is strict.
 */

#include "base/macros.h"
#include <stddef.h>

#define BASE64_ENCODED_SIZE(n) (((n) + 2) / 3 * 4)
#define BASE64_DECODED_MAX(n)  ((n) / 4 * 3)

/* Returns NUL-terminated text, to be freed. */
char *base64_encode(const void *data, size_t size) _nodiscard_;

/*
 * `ret` must have BASE64_DECODED_MAX(size) bytes. -EINVAL: not text that base64_encode() could have
 * written.
 */
int base64_decode(const char *text, size_t size, unsigned char *ret, size_t *ret_size) _nodiscard_;
