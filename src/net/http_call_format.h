#pragma once

/*
 * Formats the head and body of an outgoing HTTP/1.1 request. It refuses every part that could
 * smuggle a second line into the request.
 */

#include "base/buf.h"
#include "net/address.h"
#include "net/http_client.h"

/*
 * Initialises `ret`, which the caller frees; untouched on failure (-EINVAL). `connection` is the
 * value of that header, `user_agent` of the other or NULL.
 */
int http_call_format(struct buf *ret,
                     const struct address *address,
                     const struct http_call_options *o,
                     const char *connection,
                     const char *user_agent,
                     struct error *err) _nodiscard_;
