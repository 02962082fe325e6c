#pragma once

/*
 * Growable byte buffer with a maximum. The maximum is part of its construction because nearly every
 * buffer here is filled by a peer. The content is always followed by a NUL that is not counted, so
 * that text can be used as a string. The caller provides the struct; a zeroed one is an empty
 * buffer with maximum 0.
 */

#include "base/macros.h"
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* NULL or NUL-terminated */
    size_t size;
    size_t capacity;
    size_t max;
};

#define BUF_INIT(max_size) ((struct buf){.max = (max_size)})

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b); /* frees the content; the buffer can be used again */
void buf_clear(struct buf *b);
void buf_truncate(struct buf *b, size_t size); /* keeps at most `size` bytes */

/* They return 0, or -EMSGSIZE with the content unchanged if the maximum would be exceeded. */
int buf_append(struct buf *b, const void *data, size_t size) _nodiscard_;
int buf_append_str(struct buf *b, const char *s) _nodiscard_;
int buf_append_char(struct buf *b, char c) _nodiscard_;
int buf_append_i64(struct buf *b, int64_t v) _nodiscard_; /* decimal; faster than buf_printf() */
int buf_printf(struct buf *b, const char *fmt, ...) _nodiscard_ _printf_(2, 3);

void buf_consume(struct buf *b, size_t n); /* drops the first n bytes (at most all) */
const char *buf_str(const struct buf *b);  /* never NULL */
char *buf_take(struct buf *b);             /* moves the string out, to be freed; never NULL */
