#include "net/http_parser.h"
#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define MAX_LENGTH (UINT64_C(1) << 53)

void http_parser_init(struct http_parser *p, size_t max_head)
{
    *p = (struct http_parser){.max_head = max_head, .head_left = max_head};
    buf_init(&p->line, max_head);
}

void http_parser_done(struct http_parser *p)
{
    buf_done(&p->line);
    free(p->wanted_value);
}

static enum http_piece fail(struct http_parser *p, const char *problem)
{
    p->state = PARSE_FAILED;
    p->problem = problem;
    return HTTP_ERROR;
}

/* 1: a line is in p->line, without its end; 0: more input is needed; negative: too long */
static int take_line(struct http_parser *p, const char **data, size_t *size)
{
    const char *end = memchr(*data, '\n', *size);
    size_t n = end ? (size_t)(end - *data) + 1 : *size;

    if (n > p->head_left || buf_append(&p->line, *data, n) < 0)
        return -EMSGSIZE;
    p->head_left -= n;
    *data += n;
    *size -= n;
    if (!end)
        return 0;
    p->line.size--;
    if (p->line.size > 0 && p->line.data[p->line.size - 1] == '\r')
        p->line.size--;
    p->line.data[p->line.size] = '\0';
    return 1;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK"; the reason is optional */
static enum http_piece take_status(struct http_parser *p)
{
    const char *s = buf_str(&p->line);

    if (!(str_starts_with(s, "HTTP/1.0 ") || str_starts_with(s, "HTTP/1.1 ")))
        return fail(p, "no HTTP status line");
    s += strlen("HTTP/1.1 ");
    if (!is_digit(s[0]) || !is_digit(s[1]) || !is_digit(s[2]) || (s[3] != ' ' && s[3] != '\0') ||
        s[0] == '0')
        return fail(p, "bad HTTP status");
    p->status = (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0');
    p->state = PARSE_FIELDS;
    p->has_length = p->is_chunked = false;
    p->content_type[0] = '\0';
    p->set_cookie[0] = '\0';
    return HTTP_MORE;
}

static enum http_piece take_length(struct http_parser *p, const char *value)
{
    uint64_t length;

    if (parse_u64(value, MAX_LENGTH, &length) < 0 || (p->has_length && length != p->length))
        return fail(p, "bad Content-Length");
    p->length = length;
    p->has_length = true;
    return HTTP_MORE;
}

static enum http_piece take_field(struct http_parser *p)
{
    char *name = p->line.data;
    char *colon = memchr(name, ':', p->line.size);
    char *value;

    if (!colon || colon == name || memchr(name, '\0', p->line.size))
        return fail(p, "bad header line");
    *colon = '\0';
    /* Refuses continuation lines, too, which are obsolete. */
    if (name[strcspn(name, " \t")] != '\0')
        return fail(p, "bad header name");
    value = str_trim(colon + 1);
    if (strcasecmp(name, "content-length") == 0)
        return take_length(p, value);
    if (strcasecmp(name, "transfer-encoding") == 0) {
        if (strcasecmp(value, "chunked") == 0) {
            p->is_chunked = true;
        } else if (strcasecmp(value, "identity") != 0) {
            return fail(p, "unknown Transfer-Encoding");
        }
    } else if (strcasecmp(name, "content-type") == 0) {
        str_copy(p->content_type, sizeof(p->content_type), value);
    } else if (strcasecmp(name, "set-cookie") == 0 && p->set_cookie[0] == '\0' &&
               strlen(value) < sizeof(p->set_cookie)) {
        str_copy(p->set_cookie, sizeof(p->set_cookie), value);
    } else if (p->wanted && strcasecmp(name, p->wanted) == 0) {
        free(p->wanted_value);
        p->wanted_value = xstrdup(value);
    }
    return HTTP_MORE;
}

static enum http_piece end_head(struct http_parser *p)
{
    if (p->is_upgrade && (p->status == 101 || p->status == 200)) {
        p->state = PARSE_UPGRADED;
    } else if (p->status == 101) {
        return fail(p, "unexpected switch of protocols");
    } else if (p->status < 200) {
        p->state = PARSE_STATUS;
        return HTTP_MORE;
    } else if (p->is_head_request || p->status == 204 || p->status == 304) {
        p->state = PARSE_DONE;
    } else if (p->is_chunked) {
        p->state = PARSE_CHUNK_SIZE;
    } else if (p->has_length) {
        p->body_left = p->length;
        p->state = p->length > 0 ? PARSE_LENGTH : PARSE_DONE;
    } else {
        p->state = PARSE_UNTIL_EOF;
    }
    p->head_left = p->max_head;
    return HTTP_HEAD;
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "1f40", perhaps followed by an extension, which is ignored */
static enum http_piece take_chunk_size(struct http_parser *p)
{
    const char *s = buf_str(&p->line);
    uint64_t n = 0;
    size_t digits = 0;

    while (hex_digit(s[digits]) >= 0 && digits < 13)
        n = n << 4 | (uint64_t)hex_digit(s[digits++]);
    if (digits == 0 || s[digits + strspn(s + digits, " \t")] != '\0') {
        if (digits == 0 || s[digits + strspn(s + digits, " \t")] != ';')
            return fail(p, "bad chunk size");
    }
    p->body_left = n;
    p->state = n > 0 ? PARSE_CHUNK : PARSE_TRAILER;
    p->head_left = p->max_head;
    return HTTP_MORE;
}

static enum http_piece take_parsed_line(struct http_parser *p)
{
    bool is_empty = p->line.size == 0;

    switch (p->state) {
    case PARSE_STATUS: return take_status(p);
    case PARSE_FIELDS: return is_empty ? end_head(p) : take_field(p);
    case PARSE_CHUNK_SIZE: return take_chunk_size(p);
    case PARSE_CHUNK_END:
        if (!is_empty)
            return fail(p, "bad end of chunk");
        p->state = PARSE_CHUNK_SIZE;
        return HTTP_MORE;
    case PARSE_TRAILER:
        if (is_empty)
            p->state = PARSE_DONE;
        return HTTP_MORE;
    case PARSE_LENGTH:
    case PARSE_UNTIL_EOF:
    case PARSE_CHUNK:
    case PARSE_DONE:
    case PARSE_UPGRADED:
    case PARSE_FAILED: break;
    }
    return fail(p, "no line expected");
}

static enum http_piece take_body(
    struct http_parser *p, const char **data, size_t *size, const char **ret_data, size_t *ret_size)
{
    size_t n = *size;

    if (p->state == PARSE_LENGTH || p->state == PARSE_CHUNK) {
        if (p->body_left < n)
            n = (size_t)p->body_left;
        p->body_left -= n;
        if (p->body_left == 0)
            p->state = p->state == PARSE_CHUNK ? PARSE_CHUNK_END : PARSE_DONE;
    }
    *ret_data = *data;
    *ret_size = n;
    *data += n;
    *size -= n;
    return HTTP_BODY;
}

static bool is_in_body(const struct http_parser *p)
{
    return p->state == PARSE_LENGTH || p->state == PARSE_CHUNK || p->state == PARSE_UNTIL_EOF ||
           p->state == PARSE_UPGRADED;
}

enum http_piece http_parser_next(
    struct http_parser *p, const char **data, size_t *size, const char **ret_data, size_t *ret_size)
{
    if (p->state == PARSE_FAILED)
        return HTTP_ERROR;
    while (p->state != PARSE_DONE) {
        enum http_piece piece;
        int r;

        if (*size == 0)
            return HTTP_MORE;
        if (is_in_body(p))
            return take_body(p, data, size, ret_data, ret_size);
        r = take_line(p, data, size);
        if (r < 0)
            return fail(p, "header too large");
        if (r == 0)
            return HTTP_MORE;
        piece = take_parsed_line(p);
        buf_clear(&p->line);
        if (piece != HTTP_MORE)
            return piece;
    }
    return HTTP_END;
}

bool http_parser_eof(struct http_parser *p)
{
    if (p->state == PARSE_UNTIL_EOF)
        p->state = PARSE_DONE;
    return p->state == PARSE_DONE || p->state == PARSE_UPGRADED;
}
