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

#include "base/error.h"
#include "net/http_handler.h"
#include "net/loop.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_server;

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
    /* In which the reader of a stream must take some of what waits for it; 0: 5 min. */
    uint64_t stream_stall_ms;
    size_t least_rate; /* minimum average rate of a client in bytes per ms; 0: 16 */
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

/* A response in pieces. False when the client has left or the request is answered already. */
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
