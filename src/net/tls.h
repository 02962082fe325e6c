#pragma once

/*
 * TLS on a non-blocking socket, for both sides. For net/ only. tls_trust.h has the trust and
 * identity of a dialling side, tls_server.h the identity of an accepting side.
 */

#include "base/error.h"
#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * Sets on a context what both sides need: TLS 1.2 or newer, small buffers, the modes of tls_send().
 */
void tls_context_prepare(SSL_CTX *ctx);

/*
 * OpenSSL may have to write in order to read (key updates, handshake): *ret_wants_write says so,
 * and the caller waits for EPOLLOUT and calls the same function again. Reading in order to write
 * has no flag, because a connection that is not paused is always watched for input.
 */

/*
 * A session on `fd`, which stays the caller's, ready for tls_handshake(); NULL when OpenSSL cannot.
 */
SSL *tls_client_new(SSL_CTX *ctx, int fd, const char *host, bool is_insecure);
SSL *tls_server_new(SSL_CTX *ctx, int fd);

/* Lets `inner` run inside the TLS connection `outer`, which it owns from then on, in place of its
 * socket. -ENOMEM: OpenSSL cannot, and nothing has changed. */
int tls_nest(SSL *inner, SSL *outer) _nodiscard_;

/* 0 when done, -EAGAIN, -ECONNRESET, or -EPROTO with the reason in tls_error_text(). */
int tls_handshake(SSL *ssl, bool *ret_wants_write);

/*
 * Bytes moved, -EAGAIN, or another errno. Bytes that were not sent must be sent before any others.
 * Receiving gives 0 at the peer's close_notify, -ECONNRESET for an end without one, since the data
 * may be cut, and -EPROTO with the reason in tls_error_text(). *ret_wants_write: call again when
 * writable.
 */
ssize_t tls_send(SSL *ssl, const void *data, size_t size);
ssize_t tls_receive(SSL *ssl, char *data, size_t size, bool *ret_wants_write);

/*
 * True: the handshake has just failed with -EPROTO because the peer speaks HTTP. Keeps the error
 * queue.
 */
bool tls_peer_speaks_http(void);
/* The newest entry of OpenSSL's error queue as text, never NULL; empties the queue. */
const char *tls_error_text(char *text, size_t size);
