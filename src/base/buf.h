#pragma once

/*
 * Growable byte buffer with a maximum. The maximum is part of its construction because nearly every
 * buffer here is filled by a peer. The content is always followed by a NUL that is not counted, so
 * that text can be used as a string. Storage is the caller's; a zeroed struct is an empty buffer
 * with maximum 0.
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
void buf_done(struct buf *b); /* frees the content, keeps the maximum: ready for use again */
void buf_clear(struct buf *b);
void buf_truncate(struct buf *b, size_t size); /* drops what is behind `size` bytes; never grows */

/* All return 0, or -EMSGSIZE with the content unchanged when the result would pass the maximum. */
int buf_append(struct buf *b, const void *data, size_t size) _nodiscard_;
int buf_append_str(struct buf *b, const char *s) _nodiscard_;
int buf_append_char(struct buf *b, char c) _nodiscard_;
int buf_append_i64(struct buf *b, int64_t v) _nodiscard_; /* decimal, much faster than by format */
int buf_printf(struct buf *b, const char *fmt, ...) _nodiscard_ _printf_(2, 3);

void buf_consume(struct buf *b, size_t n); /* drops the first n bytes (at most all) */
const char *buf_str(const struct buf *b);  /* never NULL */
char *buf_take(struct buf *b);             /* the string, to be freed by the caller; never NULL */
