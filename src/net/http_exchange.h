#pragma once

/*
 * One HTTP request and its answer on a connection of their own: the common part of http_call
 * (http_client.h) and hijack (hijack.h). A member of those, for net/ only.
 *
 *     CONNECTING -> WAITING -> RECEIVING -> DONE
 *                         \--> UPGRADED -/
 *
 * WAITING: connected, the request is sent or being sent. RECEIVING: the head of the answer is
 * there. UPGRADED: it was a 101 or 200 to a request for an upgrade, and the rest is the other
 * protocol's. A state may be skipped on the way to DONE.
 *
 * DONE is reached before `done` runs, and by http_exchange_cancel(); the exchange holds nothing
 * then but its memory, which handler->destroy frees when the outermost entry is left
 * (base/reentry.h).
 */

#include "base/buf.h"
#include "base/reentry.h"
#include "net/address.h"
#include "net/http_parser.h"
#include "net/http_result.h"
#include "net/stream.h"

struct http_exchange;

enum http_exchange_state {
    EXCHANGE_CONNECTING,
    EXCHANGE_WAITING,
    EXCHANGE_RECEIVING,
    EXCHANGE_UPGRADED,
    EXCHANGE_DONE,
};

/* Called while the exchange is entered; they may end it. */
struct http_exchange_handler {
    void (*on_open)(struct http_exchange *x);  /* WAITING now */
    void (*on_input)(struct http_exchange *x); /* optional: something came */
    void (*on_head)(struct http_exchange *x);  /* RECEIVING or UPGRADED now */
    void (*on_body)(struct http_exchange *x, const char *data, size_t size);
    void (*on_drain)(struct http_exchange *x); /* optional: all that was to be sent is sent */
    void (*destroy)(struct http_exchange *x);  /* calls http_exchange_done() */
};

struct http_exchange {
    enum http_exchange_state state;
    struct reentry entry;
    struct loop *loop;
    struct stream *stream; /* NULL: DONE */
    struct http_parser parser;
    struct buf body; /* for `done` */
    char *where;     /* for messages: "/var/run/docker.sock" */
    struct loop_timer timer;
    const struct http_exchange_handler *handler;
    http_done_fn done;
    void *owner;
};

/* Storage is the caller's, zeroed; loop, handler, done and owner are set, nothing else. */
void http_exchange_init(struct http_exchange *x,
                        const struct address *address,
                        size_t max_head,
                        size_t max_body);
void http_exchange_done(struct http_exchange *x);

/*
 * Opens the connection of `o`, whose handler and owner are filled in here, and sends the request.
 * on_open is not called from inside: the state tells.
 */
void http_exchange_send(struct http_exchange *x,
                        struct stream_options *o,
                        const struct buf *request);

/* From now on, in place of an earlier deadline; -ETIMEDOUT then. */
void http_exchange_set_deadline(struct http_exchange *x, uint64_t ms);

/* Adds to the body that `done` gets; fails the exchange when that passes its maximum. */
void http_exchange_keep(struct http_exchange *x, const char *data, size_t size);
void http_exchange_fail_too_large(struct http_exchange *x);
void http_exchange_cancel(struct http_exchange *x);
