#pragma once

/*
 * Writes the head and body of an outgoing HTTP/1.1 request, refusing whatever could smuggle a second
 * line into it.
 */

#include "base/buf.h"
#include "net/address.h"
#include "net/http_client.h"

/* Initialises `ret`, which the caller frees; untouched on failure (-EINVAL). `connection` is the value of that
 * header. */
int http_request_write(struct buf *ret,
                       const struct address *address,
                       const struct http_call_options *o,
                       const char *connection,
                       struct error *err) _nodiscard_;
