#pragma once

/*
 * A connected descriptor, with TLS on it or not, and its watch on the loop: what accepted sockets
 * (sock.h) and dialled streams (stream.h) have in common. A member of the object that it serves;
 * for net/ only.
 *
 * wire_watch() turns the wishes of the object into a watch, or none. No function calls the object,
 * except that wire_receive() hands it the input.
 */

#include "net/loop.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ssl_st; /* OpenSSL's SSL */

struct wire {
    struct loop_io io;
    struct ssl_st *ssl;   /* NULL: plain */
    struct ssl_st *outer; /* the TLS connection that `ssl`, its owner, runs inside; NULL: none */
    int fd;               /* -1: closed */
    bool wants_tls_write; /* TLS must write before it can read on */
};

/*
 * Watches for what is wanted, and for what TLS needs; call it after every change. Negative errno
 * when the kernel refuses: the object ends then, but reports that later, from the loop.
 */
int wire_watch(struct wire *w, struct loop *loop, bool wants_read, bool wants_write, loop_io_fn fn)
    _nodiscard_;

/*
 * Takes the session of a handshake that follows. On a wire with TLS it runs inside that: TLS with a
 * server through TLS with a proxy. -ENOMEM: the wire is as before, `ssl` the caller's.
 */
int wire_start_tls(struct wire *w, struct ssl_st *ssl) _nodiscard_;

/* 0 when done, -EAGAIN, -ECONNRESET, or -EPROTO, see tls_handshake(). */
int wire_handshake(struct wire *w) _nodiscard_;

/*
 * Bytes sent, or negative errno; -EAGAIN when full. With TLS the next call begins with the bytes
 * that were left.
 */
ssize_t wire_send(struct wire *w, const void *data, size_t size) _nodiscard_;

/* Reads once: bytes, 0 at the peer's last byte, or negative errno, -EAGAIN when there is nothing. */
ssize_t wire_read(struct wire *w, char *data, size_t size) _nodiscard_;

/* Whether input waits that has left the socket, so that no event reports it. */
bool wire_has_input(const struct wire *w);

/*
 * Reads what one turn of the loop may read and hands it to `take`, piece by piece, until that
 * returns false. 1: the connection goes on; 0: the peer has sent its last byte; negative errno: it
 * broke. The object must be entered (base/reentry.h): `take` may free it.
 */
int wire_receive(struct wire *w,
                 struct loop *loop,
                 bool (*take)(struct wire *w, char *data, size_t size)) _nodiscard_;

/*
 * Stops the watch and closes; fine on a closed wire. `is_open`: the handshake is over, if there is
 * one, and the peer gets TLS's close_notify, without which it cannot tell an end from a cut.
 */
void wire_close(struct wire *w, bool is_open);
