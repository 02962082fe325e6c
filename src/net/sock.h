#pragma once

/*
 * An accepted stream socket on the loop, plain or TLS, without queues: its owner learns when there
 * is something to read and when it may write. The owner is an HTTP connection, and after an upgrade
 * a WebSocket peer: sock_adopt() changes hands.
 *
 *     HANDSHAKING -> OPEN -> LOST -> FREED        any state may be skipped
 *
 * HANDSHAKING is for TLS only. LOST: the other side has closed, the connection broke, the kernel
 * refused a watch, or it had to make way for a newcomer; on_closed() is the last call, and all that
 * the owner may do then is sock_free(). The owner may free or hand over the sock inside any of its
 * functions (base/reentry.h). No function is called from inside a function of the sock, except by
 * sock_free() for the group.
 */

#include "net/loop.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SOCK_ADDRESS_SIZE 64

struct sock;
struct ssl_ctx_st; /* OpenSSL's SSL_CTX */
struct strangers;

struct sock_ops {
    /* Bytes came, and all of them are the callee's. They may be changed in place. */
    void (*on_data)(void *owner, unsigned char *data, size_t size);
    void (*on_writable)(void *owner);
    /* -ECONNRESET: by the other side, or broken; otherwise why it cannot be watched. */
    void (*on_closed)(void *owner, int code);
    /*
     * The other side speaks plain HTTP where TLS is expected, and so does the sock from now on;
     * what it sent is lost. NULL: the connection counts as broken.
     */
    void (*on_plain)(void *owner);
};

/* Counts sockets that belong together. */
struct sock_group {
    size_t n_open;
    struct strangers *strangers; /* have new sockets until sock_trust(); NULL: no count of them */
    void (*on_empty)(struct sock_group *g); /* optional: the last one closed */
};

struct sock_options {
    struct loop *loop;
    int fd; /* connected and non-blocking; taken over, on failure too */
    const struct sock_ops *ops;
    void *owner;
    struct sock_group *group;
    struct ssl_ctx_st *tls; /* NULL: plain; must outlive the call only */
};

/*
 * Fails when the kernel refuses a watch or memory for TLS. A handshake has no deadline: that is the
 * owner's.
 */
int sock_new(struct sock **ret, const struct sock_options *o) _nodiscard_;
void sock_free(struct sock *s); /* closes at once */
DEFINE_CLEANUP(struct sock *, sock_free);

void sock_adopt(struct sock *s, const struct sock_ops *ops, void *owner);

/* The other side has authenticated: it no longer makes way for newcomers. Fine on NULL. */
void sock_trust(struct sock *s);

bool sock_is_tls(const struct sock *s);
bool sock_is_handshaking(const struct sock *s);

/*
 * Bytes taken, 0 when the socket is full (ask for on_writable), or negative errno. With TLS the
 * next call must begin with the bytes that were not taken.
 */
ssize_t sock_write(struct sock *s, const void *data, size_t size) _nodiscard_;
void sock_want_write(struct sock *s); /* on_writable once, soon */
void sock_end(struct sock *s);        /* end of output; input still comes */
void sock_pause(struct sock *s, bool is_paused);

int sock_fd(const struct sock *s);
/* IP of the other side; "" when the descriptor is not connected. */
void sock_address(int fd, char ret[SOCK_ADDRESS_SIZE]);
