#pragma once

/*
 * An accepted stream socket on the loop, plain or TLS, without queues: its owner is told when there is
 * something to read and when it may write. A member of the object that speaks on it (an HTTP connection, later a
 * WebSocket peer); it can be moved between objects. Closing or moving it inside its functions is
 * harmless; afterwards, and once `on_closed` ran, no function of it is called any more.
 */

#include "net/loop.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SOCK_ADDRESS_SIZE 64

struct sock;
struct ssl_ctx_st; /* OpenSSL's SSL_CTX */
struct ssl_st;     /* OpenSSL's SSL */
struct strangers;

struct sock_ops {
    /* Bytes came; all of them are the callee's to take. They may be changed in place. */
    void (*on_data)(struct sock *s, unsigned char *data, size_t size);
    void (*on_writable)(struct sock *s);
    void (*on_closed)(struct sock *s); /* by the other side, or broken */
    /* The other side speaks plain HTTP where TLS is expected, and so does the sock from now on; its words
     * are lost. NULL: it counts as broken. */
    void (*on_plain)(struct sock *s);
};

/* Counts sockets that belong together. */
struct sock_group {
    size_t n_open;
    struct strangers
        *strangers; /* new sockets are among them until sock_trust(); NULL: nobody asks */
    void (*on_empty)(struct sock_group *g); /* the last one closed; NULL: nobody cares */
};

struct sock {
    struct loop *loop;
    struct loop_io io;
    const struct sock_ops *ops;
    struct sock_group *group;
    struct ssl_st *ssl;             /* NULL: plain */
    struct sock_stranger *stranger; /* NULL: trusted */
    int fd;                         /* -1: closed */
    bool is_handshaking;
    bool is_paused;
    bool wants_write;
    bool wants_tls_write; /* TLS must write before it can read on */
    bool *ret_is_gone;    /* while a function of it runs: set when the sock leaves this place */
};

/*
 * Takes over a connected, non-blocking descriptor. `s` is zeroed or closed before. `tls` NULL: plain;
 * it must outlive the call only. A handshake has no deadline: that is the owner's.
 */
void sock_init(struct sock *s,
               struct loop *loop,
               int fd,
               const struct sock_ops *ops,
               struct sock_group *group,
               struct ssl_ctx_st *tls);
void sock_move(struct sock *to, struct sock *from, const struct sock_ops *ops);
void sock_close(struct sock *s); /* at once; fine on a zeroed or closed one */

/* The other side has authenticated: it does not make way for newcomers any more. Fine on a closed one. */
void sock_trust(struct sock *s);

bool sock_is_tls(const struct sock *s);
bool sock_is_handshaking(const struct sock *s);

/*
 * Bytes taken, 0 when the socket is full (ask for on_writable), or negative errno. With TLS the next call must
 * begin with the bytes that were not taken.
 */
ssize_t sock_write(struct sock *s, const void *data, size_t size) _nodiscard_;
void sock_want_write(struct sock *s); /* on_writable once, soon, never from inside this call */
void sock_end(struct sock *s);        /* end of output; input still comes */
void sock_pause(struct sock *s, bool is_paused);

/* IP of the other side; "" when the descriptor is not connected. */
void sock_address(int fd, char ret[SOCK_ADDRESS_SIZE]);
