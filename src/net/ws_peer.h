#pragma once

/*
 * Inside of a WebSocket peer, shared by its two sides: ws.c has what both need (states, queue, limits,
 * liveness, close), ws_dial.c and ws_accept.c move frames. Only these three include this file.
 *
 *     DIALLING -> OPEN -> FLUSHING -> ENDING -> REPLYING -> LOST
 *
 * Any state may be skipped. FLUSHING: no more messages are taken, the queue is being written. ENDING:
 * our close frame is queued or out, the peer's is awaited. REPLYING: the peer's has come, ours is
 * being written. LOST: it is over; a timer will tell the owner and free the peer.
 */

#include "base/buf.h"
#include "base/list.h"
#include "net/sock.h"
#include "net/ws.h"
#include "net/ws_frame.h"

enum ws_state { WS_DIALLING, WS_OPEN, WS_FLUSHING, WS_ENDING, WS_REPLYING, WS_LOST };

struct ws_frame {
    enum ws_opcode opcode; /* CONTINUATION: next piece of a message */
    bool is_final;
    unsigned char *data; /* LWS_PRE bytes in front and the data itself may be overwritten */
    size_t size;
};

struct ws_transport {
    /*
     * Takes one frame, whose data stays until the next call of ws_peer_writable(). 1: it may take
     * another one at once; 0: wait for ws_peer_writable(); negative errno: broken.
     */
    int (*write)(struct ws *ws, const struct ws_frame *frame);
    void (*want_write)(struct ws *ws); /* have ws_peer_writable() called */
    void (*pause)(struct ws *ws, bool is_paused);
    void (*detach)(struct ws *ws); /* lets go of the connection and has it closed */
    void (*address)(struct ws *ws, char ret[SOCK_ADDRESS_SIZE]);
};

struct ws_accept;
struct ws_item;

struct ws {
    struct loop *loop;
    const struct ws_transport *transport;
    const struct ws_handler *handler;
    void *owner;
    struct ws_limits limits;
    enum ws_state state;
    unsigned depth; /* of calls into the owner */
    bool is_freed;  /* by the owner, inside one of them */
    bool is_paused;
    bool is_ping_due;
    bool is_deaf; /* what comes in no longer makes sense */

    struct loop_timer alive_timer; /* dialling deadline, then pings and silence */
    struct loop_timer end_timer;   /* deadline of the close; then the call of on_close */
    uint64_t seen_ms;              /* when something came last */
    uint64_t pinged_ms;

    struct buf message; /* being received */
    struct list control, queue;
    struct ws_item *busy; /* its frame is with the transport */
    size_t busy_size;
    size_t queued;

    struct {
        unsigned code;
        int error;
        char reason[128];
    } why;
    char address[SOCK_ADDRESS_SIZE];

    /* ws_dial */
    struct lws *wsi;
    bool is_close_due; /* lws sends the close frame once its callback returns */

    /* ws_accept */
    struct sock sock;
    struct ws_parser parser;
    unsigned char *wire; /* frame bytes not yet written */
    size_t wire_size;
    struct buf held; /* read, but not looked at because of a pause */
    struct loop_timer resume_timer;
};

struct ws *ws_peer_new(struct loop *loop,
                       const struct ws_transport *transport,
                       const struct ws_limits *limits,
                       const struct ws_handler *handler,
                       void *owner);

/*
 * What a transport reports. Functions that may call the owner return false when the peer is gone or
 * no longer interested in input; the transport then stops and touches nothing.
 */
bool ws_peer_opened(struct ws *ws);
bool ws_peer_accepted(struct ws *ws, const struct ws_accept *accept);
bool ws_peer_received(struct ws *ws, const struct ws_piece *piece);
bool ws_peer_writable(struct ws *ws);
/* The connection ended: on_close will follow with this reason, or the one already decided on. */
void ws_peer_lost(struct ws *ws, unsigned code, const char *reason, int error);
/* The peer closes: its code, and answer with the same code when `must_reply`. */
void ws_peer_closed_by_peer(struct ws *ws, unsigned code, const char *reason, bool must_reply);
/* The peer broke the rules: a close frame with `code` is sent, input is ignored from here on. */
void ws_peer_fail(struct ws *ws, unsigned code, const char *reason, int error);
