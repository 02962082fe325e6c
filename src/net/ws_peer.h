#pragma once

/*
 * Inside of a WebSocket peer, for the files ws*.c only: ws.c has states, liveness and close;
 * ws_input.c and ws_output.c handle frames, in the same way for both sides; ws_dial.c and
 * ws_accept.c are the two ways to get a connection and to move bytes over it. ws.h has the states.
 *
 * Every entry from the loop is wrapped in ws_peer_enter() and ws_peer_leave(), see base/reentry.h.
 * All other functions run inside of that, may end the peer, and look at its state after each call
 * of the owner.
 */

#include "base/buf.h"
#include "base/list.h"
#include "base/reentry.h"
#include "net/sock.h"
#include "net/stream.h"
#include "net/ws.h"
#include "net/ws_frame.h"

#define WS_RECEIPT_SIZE 8 /* bytes of the number in a ping of ws_ask_receipt() */

/* In this order: from ABORTING on, input is not parsed any more. */
enum ws_state {
    WS_DIALLING,
    WS_OPEN,
    WS_FLUSHING,
    WS_ENDING,
    WS_ABORTING,
    WS_REPLYING,
    WS_LOST,
    WS_FREED,
};

struct ws_accept;
struct ws_item;

/* The functions in which the two sides differ. */
struct ws_transport {
    /*
     * Takes the bytes of one frame, which stay until the next call of ws_output_writable(). 1: it
     * may take more at once; 0: it calls ws_output_writable() when it can; negative errno: broken.
     */
    int (*write)(struct ws *ws, unsigned char *data, size_t size);
    void (*want_write)(struct ws *ws); /* have ws_output_writable() called soon, not now */
    void (*pause)(struct ws *ws, bool is_paused);
    void (*detach)(struct ws *ws); /* lets go of the connection and closes it */
    void (*address)(struct ws *ws, char ret[SOCK_ADDRESS_SIZE]);
};

struct ws {
    struct loop *loop;
    const struct ws_transport *transport;
    const struct ws_handler *handler;
    void *owner;
    struct ws_limits limits;
    enum ws_state state;
    struct reentry entry;
    bool is_paused;
    bool is_ping_due;

    struct loop_timer alive_timer; /* dialling deadline, then pings and silence */
    struct loop_timer end_timer;   /* deadline of the close; then the call of on_close */
    uint64_t seen_ms;              /* time of the last input */
    uint64_t pinged_ms;

    struct {
        unsigned code;
        int error;
        char *reason;
    } why; /* reported by on_close; decided with the first step out of OPEN */
    char address[SOCK_ADDRESS_SIZE];

    /* ws_input */
    struct ws_parser parser;
    struct buf message; /* being received */
    struct buf held;    /* input that cannot be parsed yet: handshake, pause */
    struct loop_timer resume_timer;

    /* ws_output */
    struct list control, queue;
    struct ws_item *busy; /* its frame is with the transport */
    size_t busy_size;
    size_t queued; /* bytes of messages */

    /* ws_accept */
    struct sock *sock;    /* NULL: closed, or the peer was dialled */
    unsigned char *frame; /* bytes not yet written */
    size_t frame_size;

    /* ws_dial */
    struct stream *stream;
    char *expected_key;
    struct loop_timer write_timer;
};

struct ws *ws_peer_new(struct loop *loop,
                       const struct ws_transport *transport,
                       const struct ws_limits *limits,
                       const struct ws_handler *handler,
                       void *owner);

void ws_peer_enter(struct ws *ws);
void ws_peer_leave(struct ws *ws); /* ws may be gone then */

void ws_peer_opened(struct ws *ws);
void ws_peer_accepted(struct ws *ws, const struct ws_accept *accept);

/* The connection ended: on_close follows with this reason, or with the one decided before. */
void ws_peer_lost(struct ws *ws, unsigned code, const char *reason, int error);
/* The peer broke a rule: a close frame with `code` is sent, messages are ignored from here on. */
void ws_peer_fail(struct ws *ws, unsigned code, const char *reason, int error);
/* The same, and its bytes can no longer be parsed. */
void ws_peer_abort(struct ws *ws, const char *reason);
/* The peer's close frame came. */
void ws_peer_closed_by_peer(struct ws *ws, unsigned code, const char *reason);
/* Everything that was to be written before the close frame is written. */
void ws_peer_flushed(struct ws *ws);

void ws_input_feed(struct ws *ws, unsigned char *data, size_t size);
void ws_input_hold(struct ws *ws, const void *data, size_t size); /* for a later resume */
void ws_input_resume(struct ws *ws); /* soon: first the held bytes, then the connection */
void ws_input_done(struct ws *ws);

void ws_output_writable(struct ws *ws); /* the transport can take the next frame */
void ws_output_control(struct ws *ws, enum ws_opcode opcode, const void *data, size_t size);
void ws_output_close_frame(struct ws *ws, unsigned code, const char *reason);
void ws_output_drop(struct ws *ws); /* all messages but a frame that is half written */
void ws_output_done(struct ws *ws);
