#pragma once

/*
 * One connection of the HTTP server. Inside of http_server.c: a connection reads a request, waits for
 * its response and writes it, again and again.
 *
 *     IDLE -> HEAD -> BODY -> PENDING -> [STREAMING ->] WRITING -> IDLE | LINGER
 *
 * In PENDING and STREAMING the next request may come, and the client may go; it counts as gone when it ends its
 * output. BODY is skipped when there is none. An upgrade ends the connection after its head: the socket moves to
 * the WebSocket peer. LINGER: output has ended; input is thrown away for a while, because closing with
 * unread input would reset the connection and might destroy the response before the client saw it.
 */

#include "base/list.h"
#include "net/http_head.h"
#include "net/http_server.h"
#include "net/sock.h"
#include "net/strangers.h"

enum http_conn_state {
    HTTP_CONN_IDLE,
    HTTP_CONN_HEAD,
    HTTP_CONN_BODY,
    HTTP_CONN_PENDING,
    HTTP_CONN_STREAMING,
    HTTP_CONN_WRITING,
    HTTP_CONN_LINGER,
};

struct http_conn;

/* What connections know of their server. */
struct http_site {
    struct loop *loop;
    const struct http_handler *handler;
    void *owner;
    uint64_t head_timeout_ms, stall_timeout_ms;
    size_t least_rate;
    struct ssl_ctx_st *tls; /* NULL: plain */
    struct strangers strangers;
    struct sock_group socks; /* of connections and of WebSocket peers that were connections */
    struct list conns;
    /* Requests that wait for a response, by slot; an id is serial << HTTP_SLOT_BITS | slot. */
    struct http_conn **slots;
    size_t n_slots;
    uint64_t serial;
};

#define HTTP_SLOT_BITS 20

void http_conn_open(struct http_site *site, int fd); /* takes fd */
void http_conn_free(struct http_conn *c);
struct http_conn *http_conn_find(const struct http_site *site, uint64_t request_id);
struct http_conn *http_conn_of_link(struct list *link);

void http_conn_trust(struct http_conn *c);

/* The response to the pending request; false when it has one. */
bool http_conn_respond(struct http_conn *c, const struct http_response *response);

/* The same in pieces, see http_stream_start(). */
bool http_conn_stream_start(struct http_conn *c, const struct http_stream *stream);
int http_conn_stream_write(struct http_conn *c, const void *data, size_t size);
size_t http_conn_stream_queued(const struct http_conn *c);
void http_conn_stream_end(struct http_conn *c);
