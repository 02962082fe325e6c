#include "net/http_response.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

static const struct {
    int status;
    const char *text;
} statuses[] = {
    {200, "OK"                             },
    {201, "Created"                        },
    {202, "Accepted"                       },
    {204, "No Content"                     },
    {206, "Partial Content"                },
    {301, "Moved Permanently"              },
    {302, "Found"                          },
    {303, "See Other"                      },
    {304, "Not Modified"                   },
    {307, "Temporary Redirect"             },
    {308, "Permanent Redirect"             },
    {400, "Bad Request"                    },
    {401, "Unauthorized"                   },
    {403, "Forbidden"                      },
    {404, "Not Found"                      },
    {405, "Method Not Allowed"             },
    {408, "Request Timeout"                },
    {409, "Conflict"                       },
    {411, "Length Required"                },
    {413, "Content Too Large"              },
    {415, "Unsupported Media Type"         },
    {421, "Misdirected Request"            },
    {422, "Unprocessable Content"          },
    {426, "Upgrade Required"               },
    {429, "Too Many Requests"              },
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"          },
    {501, "Not Implemented"                },
    {502, "Bad Gateway"                    },
    {503, "Service Unavailable"            },
    {504, "Gateway Timeout"                },
};

/* A response that must name the way to authenticate (RFC 9110, 15.5.2) or the methods (15.5.6). */
static const struct {
    int status;
    const char *name, *value;
} required[] = {
    {401, "WWW-Authenticate", "Bearer realm=\"dockmon\""},
    {405, "Allow",
     "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"     }, /* TRACE and CONNECT never are */
};

static const char *const defaults[][2] = {
    {"X-Content-Type-Options", "nosniff" },
    {"Cache-Control",          "no-store"},
};

const char *http_status_text(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        if (statuses[i].status == status)
            return statuses[i].text;
    }
    return "Unknown";
}

static bool has_header(const struct http_response *r, const char *name)
{
    for (const char *const *h = r->headers; h && h[0]; h += 2) {
        if (strcasecmp(h[0], name) == 0)
            return true;
    }
    return false;
}

/* A line break in a value would begin another header. */
static bool is_safe(const char *value)
{
    for (; *value; value++) {
        if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7f)
            return false;
    }
    return true;
}

static bool add(struct buf *head, const char *name, const char *value)
{
    return !is_safe(name) || !is_safe(value) || buf_printf(head, "%s: %s\r\n", name, value) == 0;
}

static bool add_headers(struct buf *head, const struct http_response *r)
{
    bool is_ok = true;

    for (const char *const *h = r->headers; h && h[0]; h += 2)
        is_ok = is_ok && add(head, h[0], h[1]);
    for (size_t i = 0; i < ARRAY_LEN(required); i++) {
        if (required[i].status == r->status && !has_header(r, required[i].name))
            is_ok = is_ok && add(head, required[i].name, required[i].value);
    }
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
        if (!has_header(r, defaults[i][0]))
            is_ok = is_ok && add(head, defaults[i][0], defaults[i][1]);
    }
    return is_ok;
}

static bool may_have_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

static bool add_body_headers(struct buf *head, const struct http_response *r)
{
    const char *type = r->content_type ? r->content_type : "application/json";

    if (!may_have_body(r->status))
        return true;
    if ((r->body_size || r->content_type) && !has_header(r, "Content-Type") &&
        !add(head, "Content-Type", type))
        return false;
    return buf_printf(head, "Content-Length: %zu\r\n", r->body_size) == 0;
}

void http_response_format_stream(struct buf *out,
                                 const struct http_response *r,
                                 bool is_chunked,
                                 bool is_last)
{
    bool is_ok;

    is_ok = buf_printf(out, "HTTP/1.1 %d %s\r\n", r->status, http_status_text(r->status)) == 0;
    is_ok = is_ok && add(out, "Content-Type", r->content_type);
    is_ok = is_ok && add_headers(out, r);
    is_ok = is_ok && buf_printf(out, "%sConnection: %s\r\n\r\n",
                                is_chunked ? "Transfer-Encoding: chunked\r\n" : "",
                                is_last ? "close" : "keep-alive") == 0;
    assert(is_ok); /* headers of our own, all short */
}

static bool format_head(struct buf *head, const struct http_response *r, bool is_last)
{
    return buf_printf(head, "HTTP/1.1 %d %s\r\n", r->status, http_status_text(r->status)) == 0 &&
           add_body_headers(head, r) && add_headers(head, r) &&
           buf_printf(head, "Connection: %s\r\n\r\n", is_last ? "close" : "keep-alive") == 0;
}

void http_response_format(struct buf *ret,
                          const struct http_response *r,
                          bool is_head,
                          bool is_last)
{
    /* Headers beyond the maximum are a mistake of ours; the client gets a short answer. */
    static const struct http_response sorry = {.status = 500};
    struct buf head = BUF_INIT(HTTP_RESPONSE_HEAD_MAX);
    size_t body_size = is_head || !may_have_body(r->status) ? 0 : r->body_size;
    int r1, r2;

    if (!format_head(&head, r, is_last)) {
        buf_done(&head);
        http_response_format(ret, &sorry, is_head, is_last);
        return;
    }
    buf_init(ret, head.size + body_size);
    r1 = buf_append(ret, head.data, head.size);
    r2 = buf_append(ret, r->body, body_size);
    assert(r1 == 0 && r2 == 0); /* the maximum is the sum */
    buf_done(&head);
}
