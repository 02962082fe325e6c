#pragma once

/*
 * HTTP/1.1 server with WebSocket upgrade. It parses and limits requests, hands complete ones to one
 * handler (routing is the caller's, see server/api/routes.c) and writes responses. It knows no
 * roles, no JSON and no Docker. http_conn.h has the states of a connection.
 *
 * A handler may answer at once or later. Across an await it keeps the request's id, not the
 * pointer: when the client has left by then, http_respond() does nothing. A request that is not
 * answered within its deadline gets a 504.
 *
 * Every wait for a client has a deadline: for its head and body, for the TLS handshake, for the
 * bytes that it takes of a response. Every buffer has a maximum. Beyond max_connections,
 * connections that have not authenticated make way (strangers.h).
 */

#include "base/buf.h"
#include "base/error.h"
#include "net/http_request.h"
#include "net/http_response.h"
#include "net/loop.h"
#include "net/ws.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The life of a request: on_head (may change its limits), then the body, then on_request, or for a
 * WebSocket on_upgrade. The request struct is borrowed during each call. http_respond() or
 * http_stream_start() ends the wait, from inside on_request or later. No function of the handler is
 * called from inside a function of the server, except on_gone by http_server_close().
 */
struct http_server;

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

/* Connections that found no room since the last report. */
struct http_crowd {
    size_t n_evicted; /* closed in favour of newer ones, before they had authenticated */
    size_t n_refused; /* closed at once: all others have authenticated */
    int error;        /* 0 or negative errno: descriptors, memory or watches ran out */
    const char *peer; /* IP of the last connection that caused it */
};

struct http_server_options {
    const char *host; /* address to bind; "" for all */
    uint16_t port;    /* 0: any free one */
    /*
     * Beyond it the longest waiting connection that has not authenticated makes way; without any
     * the newcomer is closed. One source has half of it at most for such connections.
     */
    size_t max_connections;
    /*
     * Connection to complete head, TLS handshake included, and head to complete body: slowloris
     * guard.
     */
    uint64_t head_timeout_ms;
    uint64_t stall_timeout_ms; /* in which a client must take some of its response; 0: 30 s */
    size_t least_rate;         /* minimum average rate of a client in bytes per ms; 0: 16 */
    const struct http_handler *handler;
    /* Optional; at most once a minute. */
    void (*on_crowd)(void *owner, const struct http_crowd *crowd);
    void *owner;
    struct ssl_ctx_st *tls; /* of tls_server.h, NULL: plain HTTP; as for http_server_set_tls() */
};

int http_server_open(struct http_server **ret,
                     struct loop *loop,
                     const struct http_server_options *o,
                     struct error *err) _nodiscard_;
/*
 * Closes all connections but the WebSocket peers, which are their owners'. Not from inside a
 * handler.
 */
void http_server_close(struct http_server *s);
DEFINE_CLEANUP(struct http_server *, http_server_close);
/* New connections use `tls`; the open ones keep theirs. The caller keeps its reference. */
void http_server_set_tls(struct http_server *s, struct ssl_ctx_st *tls);
uint16_t http_server_port(const struct http_server *s);

/* The client has authenticated: its connection no longer makes way for others. */
void http_trust(struct http_server *s, uint64_t request_id);

/* Answers the request once; false when the client has left or the request is answered already. */
bool http_respond(struct http_server *s, uint64_t request_id, const struct http_response *response);

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
/* False when the client has left or the request is answered already. */
bool http_stream_start(struct http_server *s,
                       uint64_t request_id,
                       const struct http_stream *stream);
/*
 * -ENOBUFS with nothing queued when the queue would pass its maximum; -ENOTCONN when the client has
 * left.
 */
int http_stream_write(struct http_server *s, uint64_t request_id, const void *data, size_t size)
    _nodiscard_;
size_t http_stream_queued(struct http_server *s, uint64_t request_id);
void http_stream_end(struct http_server *s, uint64_t request_id);
