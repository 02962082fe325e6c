#pragma once

/*
 * One connection of the HTTP server, as http_server.c sees it: it reads a request, waits for its
 * response and writes that, again and again.
 *
 *     IDLE -> HEAD -> BODY -> PENDING -> [STREAMING ->] WRITING -> IDLE | LINGER
 *     any state -> GONE
 *
 * A connection begins in HEAD, so that the first head has a deadline. BODY is skipped when there is
 * none. In PENDING and STREAMING the next request may come, and the client may leave; it counts as
 * gone when it ends its output. LINGER: output has ended; input is thrown away for a while, because
 * closing with unread input would reset the connection and might destroy the response before the
 * client has it. GONE: closed, or upgraded, when the socket is a WebSocket peer's; a handler may
 * bring that about at any time (base/reentry.h).
 *
 * The files http_conn*.c divide it: http_conn.c has life cycle, deadlines and request ids, _input.c
 * reads requests, _output.c writes responses, _stream.c those that come in pieces, _upgrade.c makes
 * WebSockets.
 */

#include "base/list.h"
#include "net/http_handler.h"
#include "net/loop.h"
#include "net/sock.h"
#include "net/strangers.h"

struct http_conn;

/* The part of the server that its connections know. */
struct http_site {
    struct loop *loop;
    const struct http_handler *handler;
    void *owner;
    uint64_t head_timeout_ms, stall_timeout_ms, stream_stall_ms;
    size_t least_rate;
    struct ssl_ctx_st *tls; /* NULL: plain */
    struct strangers strangers;
    struct sock_group socks; /* of connections and of WebSocket peers that were connections */
    struct list conns;
    /* Requests that wait for a response, by slot; an id is serial << HTTP_SLOT_BITS | slot. */
    struct http_conn **slots;
    size_t n_slots;
    size_t free_slot; /* no slot below it is free */
    uint64_t serial;
};

#define HTTP_SLOT_BITS 20

/* Takes fd. Fails when the kernel refuses to watch it, or TLS has no memory. */
int http_conn_open(struct http_site *site, int fd) _nodiscard_;
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
