#include "net/http_chunks.h"
#include "net/http_head.h"

#define MAX_DIGITS 16

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_control(char c)
{
    return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
}

static enum http_chunks_result move(struct http_chunks *d, enum http_chunks_state state)
{
    d->state = state;
    return HTTP_CHUNKS_MORE;
}

static enum http_chunks_result expect(struct http_chunks *d,
                                      char c,
                                      char expected,
                                      enum http_chunks_state state)
{
    return c == expected ? move(d, state) : HTTP_CHUNKS_MALFORMED;
}

static enum http_chunks_result take_size(struct http_chunks *d, char c, const struct buf *body)
{
    int digit = hex_digit(c);

    if (digit < 0) {
        if (d->n_digits == 0 || (c != ';' && c != '\r'))
            return HTTP_CHUNKS_MALFORMED;
        return move(d, c == ';' ? CHUNKS_EXTENSION : CHUNKS_SIZE_END);
    }
    if (d->n_digits++ == MAX_DIGITS)
        return HTTP_CHUNKS_MALFORMED;
    d->left = d->left << 4 | (uint64_t)digit;
    return d->left > body->max - body->size ? HTTP_CHUNKS_TOO_LARGE : HTTP_CHUNKS_MORE;
}

static enum http_chunks_result end_size(struct http_chunks *d, char c)
{
    if (c != '\n')
        return HTTP_CHUNKS_MALFORMED;
    d->n_digits = 0;
    return move(d, d->left > 0 ? CHUNKS_DATA : CHUNKS_TRAILER);
}

/* A byte of an extension or of a trailer's value, which ends with its line. */
static enum http_chunks_result skip_text(struct http_chunks *d,
                                         char c,
                                         enum http_chunks_state after)
{
    if (c == '\r')
        return move(d, after);
    return is_control(c) ? HTTP_CHUNKS_MALFORMED : HTTP_CHUNKS_MORE;
}

static enum http_chunks_result take_trailer_name(struct http_chunks *d, char c)
{
    bool is_first = d->state == CHUNKS_TRAILER;

    if (is_first && c == '\r')
        return move(d, CHUNKS_LAST_END);
    if (!is_first && c == ':')
        return move(d, CHUNKS_TRAILER_VALUE);
    return http_head_is_token_char(c) ? move(d, CHUNKS_TRAILER_NAME) : HTTP_CHUNKS_MALFORMED;
}

static enum http_chunks_result take_char(struct http_chunks *d, char c, const struct buf *body)
{
    switch (d->state) {
    case CHUNKS_SIZE: return take_size(d, c, body);
    case CHUNKS_EXTENSION: return skip_text(d, c, CHUNKS_SIZE_END);
    case CHUNKS_SIZE_END: return end_size(d, c);
    case CHUNKS_DATA_CR: return expect(d, c, '\r', CHUNKS_DATA_END);
    case CHUNKS_DATA_END: return expect(d, c, '\n', CHUNKS_SIZE);
    case CHUNKS_TRAILER:
    case CHUNKS_TRAILER_NAME: return take_trailer_name(d, c);
    case CHUNKS_TRAILER_VALUE: return skip_text(d, c, CHUNKS_TRAILER_END);
    case CHUNKS_TRAILER_END: return expect(d, c, '\n', CHUNKS_TRAILER);
    case CHUNKS_LAST_END: return c == '\n' ? HTTP_CHUNKS_END : HTTP_CHUNKS_MALFORMED;
    case CHUNKS_DATA:
    default: return HTTP_CHUNKS_MALFORMED;
    }
}

static bool is_spare(const struct http_chunks *d)
{
    return d->state == CHUNKS_EXTENSION || d->state >= CHUNKS_TRAILER;
}

enum http_chunks_result http_chunks_take(
    struct http_chunks *d, const char *data, size_t size, size_t *ret_used, struct buf *body)
{
    enum http_chunks_result result = HTTP_CHUNKS_MORE;
    size_t i = 0;

    while (i < size && result == HTTP_CHUNKS_MORE) {
        if (d->state == CHUNKS_DATA) {
            size_t n = size - i < d->left ? size - i : (size_t)d->left;

            if (buf_append(body, data + i, n) < 0)
                return HTTP_CHUNKS_TOO_LARGE;
            i += n;
            d->left -= n;
            if (d->left == 0)
                d->state = CHUNKS_DATA_CR;
            continue;
        }
        if (is_spare(d) && d->n_spare++ == HTTP_CHUNKS_SPARE_MAX)
            return HTTP_CHUNKS_MALFORMED;
        result = take_char(d, data[i++], body);
    }
    *ret_used = i;
    return result;
}
