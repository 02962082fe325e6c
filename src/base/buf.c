#include "base/buf.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MIN_CAPACITY 64

void buf_init(struct buf *b, size_t max)
{
    *b = BUF_INIT(max);
}

void buf_done(struct buf *b)
{
    free(b->data);
    *b = BUF_INIT(b->max);
}

void buf_truncate(struct buf *b, size_t size)
{
    if (size >= b->size)
        return;
    b->size = size;
    b->data[size] = '\0';
}

void buf_clear(struct buf *b)
{
    buf_truncate(b, 0);
}

/* Reserves `extra` bytes and one for the NUL. */
static int reserve(struct buf *b, size_t extra)
{
    size_t need, capacity;

    if (extra > b->max || b->size > b->max - extra)
        return -EMSGSIZE;

    need = b->size + extra + 1;
    if (need <= b->capacity)
        return 0;

    capacity = b->capacity ? b->capacity : MIN_CAPACITY;
    while (capacity < need)
        capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    if (capacity - 1 > b->max)
        capacity = b->max + 1;
    b->data = xrealloc(b->data, capacity, 1);
    b->capacity = capacity;
    return 0;
}

int buf_append(struct buf *b, const void *data, size_t size)
{
    if (reserve(b, size) < 0)
        return -EMSGSIZE;
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = '\0';
    return 0;
}

int buf_append_str(struct buf *b, const char *s)
{
    return buf_append(b, s, strlen(s));
}

int buf_append_char(struct buf *b, char c)
{
    return buf_append(b, &c, 1);
}

int buf_append_i64(struct buf *b, int64_t v)
{
    char text[24], *p = text + sizeof(text);
    uint64_t rest = v < 0 ? -(uint64_t)v : (uint64_t)v;

    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (v < 0)
        *--p = '-';
    return buf_append(b, p, (size_t)(text + sizeof(text) - p));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    size_t room = b->data ? b->capacity - b->size : 0;
    va_list ap;
    int n, r;

    va_start(ap, fmt);
    n = vsnprintf(b->data ? b->data + b->size : NULL, room, fmt, ap);
    va_end(ap);
    if (n < 0) {
        r = -EINVAL;
    } else if ((size_t)n < room) { /* the usual case: it fitted at once */
        b->size += (size_t)n;
        return 0;
    } else {
        r = reserve(b, (size_t)n);
    }
    if (r < 0) {
        if (b->data)
            b->data[b->size] = '\0';
        return r;
    }

    va_start(ap, fmt);
    (void)vsnprintf(b->data + b->size, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->size += (size_t)n;
    return 0;
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->size) {
        buf_clear(b);
        return;
    }
    memmove(b->data, b->data + n, b->size - n + 1);
    b->size -= n;
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
    char *s = b->data ? TAKE_PTR(b->data) : xstrdup("");

    *b = BUF_INIT(b->max);
    return s;
}
