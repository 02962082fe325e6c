#include "net/http_call_format.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static bool is_token(const char *s)
{
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "!#$%&'*+-.^_`|~";

    return s[0] != '\0' && s[strspn(s, chars)] == '\0';
}

/* Printable ASCII; a value may also contain space, tab and bytes above ASCII. */
static bool is_clean(const char *s, bool is_value)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (is_value ? (c < 0x20 && c != '\t') || c == 0x7f : c <= 0x20 || c >= 0x7f)
            return false;
    }
    return true;
}

static int check_options(const struct http_call_options *o,
                         const char *user_agent,
                         struct error *err)
{
    if (!is_token(o->method))
        return error_set(err, -EINVAL, "bad HTTP method");
    if (o->path[0] != '/' || !is_clean(o->path, false))
        return error_set(err, -EINVAL, "bad request path");
    if (o->content_type && !is_clean(o->content_type, true))
        return error_set(err, -EINVAL, "bad content type");
    if (user_agent && !is_clean(user_agent, true))
        return error_set(err, -EINVAL, "bad user agent");
    for (size_t i = 0; i < o->n_headers; i++) {
        if (!is_token(o->headers[i].name) || !is_clean(o->headers[i].value, true))
            return error_set(err, -EINVAL, "bad header %zu", i);
    }
    return 0;
}

static int append_head(struct buf *b,
                       const struct address *address,
                       const struct http_call_options *o,
                       const char *user_agent)
{
    bool has_body = o->body || strcmp(o->method, "POST") == 0 || strcmp(o->method, "PUT") == 0 ||
                    strcmp(o->method, "PATCH") == 0;
    int r;

    r = buf_printf(b, "%s %s HTTP/1.1\r\nHost: %s\r\n", o->method, o->path, address->header);
    if (r == 0 && user_agent)
        r = buf_printf(b, "User-Agent: %s\r\n", user_agent);
    for (size_t i = 0; i < o->n_headers && r == 0; i++)
        r = buf_printf(b, "%s: %s\r\n", o->headers[i].name, o->headers[i].value);
    if (r == 0 && o->body) {
        r = buf_printf(b, "Content-Type: %s\r\n",
                       o->content_type ? o->content_type : "application/json");
    }
    if (r == 0 && o->max_upload) {
        r = buf_printf(b, "Content-Type: %s\r\nTransfer-Encoding: chunked\r\n",
                       o->content_type ? o->content_type : "application/octet-stream");
    } else if (r == 0 && has_body) {
        r = buf_printf(b, "Content-Length: %zu\r\n", o->body ? o->body_size : 0);
    }
    return r;
}

int http_call_format(struct buf *ret,
                     const struct address *address,
                     const struct http_call_options *o,
                     const char *connection,
                     const char *user_agent,
                     struct error *err)
{
    struct buf b = BUF_INIT(SIZE_MAX / 2); /* filled by the caller, not by a peer */
    int r = check_options(o, user_agent, err);

    if (r == 0)
        r = append_head(&b, address, o, user_agent);
    if (r == 0)
        r = buf_printf(&b, "Connection: %s\r\n\r\n", connection);
    if (r == 0 && o->body)
        r = buf_append(&b, o->body, o->body_size);
    if (r < 0) {
        buf_done(&b);
        return r;
    }
    *ret = b;
    return 0;
}
