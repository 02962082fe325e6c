#include "net/http_response.h"
#include "base/alloc.h"
#include "base/buf.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#define HEAD_MAX ((size_t)16 * 1024)

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

/* A line break in a value would let its author write headers of his own. */
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

char *http_response_format_stream(const struct http_response *r,
                                  bool is_chunked,
                                  bool is_last,
                                  size_t *ret_size)
{
    struct buf head = BUF_INIT(HEAD_MAX);
    bool is_ok;

    is_ok = buf_printf(&head, "HTTP/1.1 %d %s\r\n", r->status, http_status_text(r->status)) == 0;
    is_ok = is_ok && add(&head, "Content-Type", r->content_type);
    is_ok = is_ok && add_headers(&head, r);
    is_ok = is_ok && buf_printf(&head, "%sConnection: %s\r\n\r\n",
                                is_chunked ? "Transfer-Encoding: chunked\r\n" : "",
                                is_last ? "close" : "keep-alive") == 0;
    assert(is_ok); /* headers of ours, all short */
    *ret_size = head.size;
    return buf_take(&head);
}

unsigned char *http_response_format(const struct http_response *r,
                                    bool is_head,
                                    bool is_last,
                                    size_t *ret_size)
{
    struct buf head = BUF_INIT(HEAD_MAX);
    size_t body_size = is_head || !may_have_body(r->status) ? 0 : r->body_size;
    unsigned char *out;
    bool is_ok;

    is_ok = buf_printf(&head, "HTTP/1.1 %d %s\r\n", r->status, http_status_text(r->status)) == 0;
    is_ok = is_ok && add_body_headers(&head, r);
    is_ok = is_ok && add_headers(&head, r);
    is_ok = is_ok &&
            buf_printf(&head, "Connection: %s\r\n\r\n", is_last ? "close" : "keep-alive") == 0;
    if (!is_ok) {
        /* Headers beyond all measure are a mistake of ours; the client gets a short answer. */
        static const struct http_response sorry = {.status = 500};

        buf_done(&head);
        return http_response_format(&sorry, is_head, is_last, ret_size);
    }

    out = xmalloc(head.size + body_size);
    memcpy(out, head.data, head.size);
    if (body_size)
        memcpy(out + head.size, r->body, body_size);
    *ret_size = head.size + body_size;
    buf_done(&head);
    return out;
}
