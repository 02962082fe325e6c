#pragma once

/*
 * A WebSocket peer, the same object for the side that dialled (ws_connect) and the side that
 * accepted (on_upgrade of http_server.h). It reassembles fragmented messages up to a maximum (close
 * 1009 beyond it), checks UTF-8 of text (1007), queues what is to be sent up to a maximum, pings
 * and gives up after a silence.
 *
 *     DIALLING -> OPEN -> FLUSHING -> ENDING ----> REPLYING -> LOST -> FREED
 *                           \-------> ABORTING ------------/           any state may be skipped
 *
 * DIALLING   TCP, TLS and the HTTP handshake; an accepted peer passes through it at once
 * OPEN       messages go both ways
 * FLUSHING   ws_close() was called: no more messages are taken, the queue is being written.
 *            Messages that still come are dropped
 * ENDING     our close frame is queued or out, the peer's is awaited
 * ABORTING   the same after input that cannot be parsed: only the end of the connection is awaited
 * REPLYING   the peer's close frame has come, ours is being written
 * LOST       the connection is closed; a timer with no delay calls on_close
 * FREED      by ws_free(), or behind on_close; the memory goes with the last entry (base/reentry.h)
 *
 * From FLUSHING to REPLYING there are 5 s, so that on_close always comes. The reason that it
 * reports is decided by the first step out of OPEN (or DIALLING) and not changed by what happens
 * later.
 *
 * `on_close` runs exactly once unless the owner called ws_free() before, and it ends the life of
 * the peer: the owner drops its pointer there. ws_free() inside any callback is harmless. Callbacks
 * never run from inside ws_connect(), ws_send_*() or ws_close(). A paused peer reads nothing,
 * notices no silence, and may hold one read's worth of input; ws_close() resumes it, because the
 * peer's close frame must be read.
 */

#include "base/error.h"
#include "net/loop.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WS_PING_INTERVAL_MS            20000
#define WS_SILENCE_TIMEOUT_MS(ping_ms) (2 * (ping_ms) + 5000)
#define WS_CLOSE_NORMAL                1000
#define WS_CLOSE_GOING_AWAY            1001
#define WS_CLOSE_PROTOCOL              1002
#define WS_CLOSE_UNSUPPORTED           1003
#define WS_CLOSE_ABNORMAL              1006 /* reported only: it broke without a close frame */
#define WS_CLOSE_POLICY                1008
#define WS_CLOSE_TOO_BIG               1009
#define WS_CLOSE_INTERNAL              1011
#define WS_CLOSE_TRY_AGAIN             1013 /* too many already, or too slow */
#define WS_CLOSE_FORBIDDEN             4003 /* of our server: the role does not suffice */

struct proxy_settings;
struct ws;

struct ws_close {
    unsigned code;      /* of the peer's close frame, of ours, or WS_CLOSE_ABNORMAL */
    const char *reason; /* never NULL; for a dial that failed: the error */
    int error;          /* 0 or negative errno: -ECONNREFUSED, -ETIMEDOUT, -EPROTO (no 101) ... */
};

struct ws_handler {
    void (*on_open)(void *owner); /* the dialling side only */
    void (*on_message)(void *owner, const char *data, size_t size, bool is_binary);
    void (*on_pong)(void *owner); /* optional: a pong came, the peer is alive */
    /* Optional: the peer has received all that was sent before ws_ask_receipt() of this number. */
    void (*on_receipt)(void *owner, uint64_t number);
    void (*on_drain)(void *owner); /* optional: the send queue has become empty */
    void (*on_close)(void *owner, const struct ws_close *why);
};

struct ws_limits {
    size_t max_message;          /* bytes of one received message */
    size_t max_queue;            /* bytes waiting to be sent */
    uint64_t ping_interval_ms;   /* 0: WS_PING_INTERVAL_MS */
    uint64_t silence_timeout_ms; /* 0: WS_SILENCE_TIMEOUT_MS() */
};

struct ws_dial {
    const char *url;                      /* ws:// or wss://, with path */
    bool is_insecure;                     /* accept any certificate */
    const struct proxy_settings *proxies; /* NULL: dial directly, see proxy.h */
    const char *const *headers;           /* of the request: name, value, ..., NULL; or NULL */
    uint64_t connect_timeout_ms;          /* 0: 10 s; TCP, TLS and handshake together */
    struct ws_limits limits;
    const struct ws_handler *handler;
    void *owner;
};

struct ws_accept {
    struct ws_limits limits;
    const struct ws_handler *handler;
    /* Called when the handshake is done; returns the owner given to the handler's functions. */
    void *(*on_accept)(void *owner, struct ws *ws, void *context);
    void *owner;
    /* Per upgrade, e.g. the authenticated identity; free_context gets it if the handshake fails. */
    void *context;
    void (*free_context)(void *context);
};

int ws_connect(struct ws **ret, struct loop *loop, const struct ws_dial *dial, struct error *err)
    _nodiscard_;
void ws_free(struct ws *ws); /* closes abruptly if still open; on_close does not run */
DEFINE_CLEANUP(struct ws *, ws_free);

/* -ENOBUFS with nothing queued when the queue would pass its maximum; -ENOTCONN once closing. */
int ws_send_text(struct ws *ws, const char *data, size_t size) _nodiscard_;
int ws_send_binary(struct ws *ws, const void *data, size_t size) _nodiscard_;
size_t ws_queued(const struct ws *ws);
/*
 * A ping behind all that was sent so far: when the peer answers it, on_receipt() gets this number.
 * The answer comes from the WebSocket's other end, not from a kernel or a proxy on the way. Numbers
 * grow; of several that are under way a peer may answer only the last. -ENOTCONN once closing.
 */
int ws_ask_receipt(struct ws *ws, uint64_t number) _nodiscard_;

/* Sends the queue, then a close frame, and waits at most 5 s for the peer's; then on_close runs. */
void ws_close(struct ws *ws, unsigned code, const char *reason);
void ws_pause(struct ws *ws, bool is_paused); /* nothing is read while paused */
void ws_set_limits(struct ws *ws, const struct ws_limits *limits);
/* Accepted peers: it has authenticated, see http_trust(). */
void ws_trust(struct ws *ws);
const char *ws_peer_address(const struct ws *ws); /* IP of the other side, never NULL */
