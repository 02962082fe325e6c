#pragma once

/*
 * The handler of an HTTP server, which is the program's side of it. The life of a request: on_head
 * (may change its limits), then the body, then on_request, or for a WebSocket on_upgrade. The
 * request struct is borrowed during each call. http_respond() or http_stream_start() ends the wait,
 * from inside on_request or later. No function of the handler is called from inside a function of
 * the server, except on_gone by http_server_close().
 */

#include "base/buf.h"
#include "net/http_request.h"
#include "net/http_response.h"
#include "net/ws.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_limits {
    size_t max_body;     /* 413 beyond it */
    uint64_t timeout_ms; /* from complete request to response: 504 beyond it; 60 s unless set */
};

struct http_handler {
    /* Called when the head is complete, before the body is read; may change *limits. */
    void (*on_head)(void *owner, const struct http_request *r, struct http_limits *limits);
    void (*on_request)(void *owner, const struct http_request *r);
    /* Optional: the request gets a 504 now, a later answer is ignored. */
    void (*on_late)(void *owner, const struct http_request *r, uint64_t timeout_ms);
    /*
     * An upgrade: returns 0 and the accept options, or an HTTP status (401, 403, 404 ...) to refuse
     * it.
     */
    int (*on_upgrade)(void *owner, const struct http_request *r, struct ws_accept *ret);
    /*
     * Fills `body` for errors that the server answers by itself (400 405 408 411 413 431 501 504,
     * refused upgrades).
     */
    void (*format_error)(int status, const char *detail, struct buf *body);
};

/*
 * A response whose body comes in pieces, chunked. The handler's functions are never called from
 * inside these functions; on_gone is called once at most, and nothing after it or after
 * http_stream_end().
 */
struct http_stream_handler {
    void (*on_drain)(void *owner); /* the client has taken all that was written */
    void (*on_gone)(void *owner);  /* the client has left, or has read nothing for 5 minutes */
};
struct http_stream {
    int status;
    const char *content_type;
    const char *const *headers; /* as for http_response */
    size_t max_queue;           /* most bytes that wait for the client */
    const struct http_stream_handler *handler;
    void *owner;
};
