#pragma once

/*
 * An accepted stream socket under libwebsockets, which does TCP or TLS and the event loop for it.
 * A member of the object that speaks on it (an HTTP connection, later a WebSocket peer); it can be
 * moved between objects. Once `on_closed` ran or sock_close() returned, no function of it is called
 * any more.
 */

#include "net/loop.h"
#include <libwebsockets.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SOCK_PROTOCOL     "sock"
#define SOCK_ADDRESS_SIZE 64

struct sock;

struct sock_ops {
    /* Bytes came; all of them are the callee's to take. They may be changed in place. */
    void (*on_data)(struct sock *s, unsigned char *data, size_t size);
    void (*on_writable)(struct sock *s);
    void (*on_closed)(struct sock *s);
};

struct sock {
    struct lws *wsi; /* NULL: closed */
    const struct sock_ops *ops;
    bool is_paused; /* by the user */
    bool is_choked; /* by lws, which holds bytes it could not write */
};

/* The sockets of one vhost, whose user pointer this is. */
struct sock_group {
    size_t n_open;
    void (*on_empty)(struct sock_group *g); /* the last one closed; NULL: nobody cares */
};

/* The callback of protocol SOCK_PROTOCOL in the vhosts that sockets are adopted into. */
int sock_callback(
    struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size);

/* Takes over a connected descriptor, also on failure. */
int sock_adopt(struct sock *s, struct lws_vhost *vhost, int fd, const struct sock_ops *ops)
    _nodiscard_;
void sock_move(struct sock *to, struct sock *from, const struct sock_ops *ops);
void sock_close(struct sock *s); /* at once; what is not written is lost; fine on a closed one */

/* Bytes taken, 0 when the socket is full (ask for on_writable), or negative errno. */
ssize_t sock_write(struct sock *s, unsigned char *data, size_t size) _nodiscard_;
void sock_want_write(struct sock *s);
bool sock_is_flushed(const struct sock *s); /* the kernel has all that was written */
void sock_end(struct sock *s);              /* end of output; input still comes */
void sock_pause(struct sock *s, bool is_paused);

bool sock_is_tls(const struct sock *s);
/* IP of the other side; "" when the descriptor is not connected. */
void sock_address(const struct sock *s, char ret[SOCK_ADDRESS_SIZE]);
void sock_address_of_fd(int fd, char ret[SOCK_ADDRESS_SIZE]);
