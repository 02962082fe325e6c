#pragma once

/*
 * Responses of the HTTP server, and their bytes on the wire. Headers with a line break or another
 * control character are left out, so that a value cannot add headers of its own.
 */

#include "base/buf.h"
#include <stdbool.h>
#include <stddef.h>

struct http_response {
    int status;
    const char *content_type; /* NULL: application/json */
    const void *body;         /* copied */
    size_t body_size;
    const char *const *headers; /* extra: name, value, ..., NULL; or NULL */
};

#define HTTP_RESPONSE_HEAD_MAX ((size_t)16 * 1024)

/*
 * The bytes of a response; initialises `ret`, which the caller frees. `is_last`: the connection
 * ends after it; `is_head`: the answer to a HEAD, whose body is only counted.
 */
void http_response_format(struct buf *ret,
                          const struct http_response *r,
                          bool is_head,
                          bool is_last);
/*
 * Appends the head of a response whose body follows in pieces; content_type is set, `out` has room.
 */
void http_response_format_stream(struct buf *out,
                                 const struct http_response *r,
                                 bool is_chunked,
                                 bool is_last);
const char *http_status_text(int status);
