#pragma once

/*
 * Inside of a connection, for the files http_conn*.c only; http_conn.h has its states. Every
 * function here may end in GONE: the caller checks the state before it goes on.
 */

#include "base/buf.h"
#include "base/reentry.h"
#include "net/http_chunks.h"
#include "net/http_conn.h"
#include "net/http_head.h"

#define HTTP_CONN_ERROR_BODY_MAX ((size_t)4096)
#define HTTP_CONN_AHEAD_MAX      ((size_t)16 * 1024)  /* read while one is answered */
#define HTTP_CONN_TURN_WRITE_MAX ((size_t)256 * 1024) /* written per turn of the loop */

enum http_conn_state {
    HTTP_CONN_IDLE,
    HTTP_CONN_HEAD,
    HTTP_CONN_BODY,
    HTTP_CONN_PENDING,
    HTTP_CONN_STREAMING,
    HTTP_CONN_WRITING,
    HTTP_CONN_LINGER,
    HTTP_CONN_GONE,
};

struct http_conn {
    struct list link;
    struct http_site *site;
    struct sock *sock; /* NULL: GONE */
    enum http_conn_state state;
    struct reentry entry;
    struct loop_timer timer; /* deadline of the state */
    char peer[SOCK_ADDRESS_SIZE];

    /* Input */
    struct buf in; /* not parsed yet */
    size_t scanned;
    struct http_head *head;
    struct buf body;
    struct http_chunks chunks; /* of the body, if the head says so */
    struct http_request request;
    struct http_limits limits;
    size_t slot;  /* while PENDING or STREAMING */
    bool is_last; /* no further request after this one */

    /* Output */
    struct buf out;          /* of a response that is complete, or of a stream what is queued */
    size_t out_at;           /* bytes of `out` that are written */
    uint64_t write_until_ms; /* deadline of all of it, however steadily the client reads */
    struct http_stream stream;
    bool is_chunked;
};

/* http_conn.c */
void http_conn_set_state(struct http_conn *c, enum http_conn_state state);
void http_conn_start_timer(struct http_conn *c, uint64_t ms);
void http_conn_slot_take(struct http_conn *c);
void http_conn_slot_leave(struct http_conn *c);
void http_conn_forget_request(struct http_conn *c);

/* http_conn_input.c: takes requests from c->in as far as they go. */
void http_conn_process(struct http_conn *c);

/* http_conn_output.c */
void http_conn_write(struct http_conn *c); /* all of c->out, then the next request */
void http_conn_respond_error(struct http_conn *c, int status, const char *detail);
/*
 * For a request that was not read to its end: what follows it cannot be parsed, so the connection
 * ends.
 */
void http_conn_refuse(struct http_conn *c, int status, const char *detail);
void http_conn_continue_writing(struct http_conn *c);

/* http_conn_stream.c */
void http_conn_continue_stream(struct http_conn *c);

/* http_conn_upgrade.c: to WebSocket. */
void http_conn_upgrade(struct http_conn *c);
