#pragma once

/*
 * TLS on a non-blocking socket, as both sides do it. For net/ only; see tls_trust.h for whom a dialling
 * side believes and tls_server.h for what an accepting side shows.
 */

#include "base/error.h"
#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

/* What both sides set on a context: TLS 1.2 or newer, little memory, and what tls_send() needs. */
void tls_context_prepare(SSL_CTX *ctx);

/* A session on `fd`, which stays the caller's, ready for tls_handshake(); NULL when OpenSSL cannot. */
SSL *tls_client_new(SSL_CTX *ctx, int fd, const char *host, bool is_insecure);
SSL *tls_server_new(SSL_CTX *ctx, int fd);

/* 0 when done, -EAGAIN, -ECONNRESET, or -EPROTO with the reason in tls_error_text(). */
int tls_handshake(SSL *ssl, bool *ret_wants_write);

/* Bytes moved, -EAGAIN, or -EPIPE and the like. What did not go must be sent again before anything else.
 * Receiving gives 0 at the peer's close_notify, -ECONNRESET for an end without one, since the data may be cut,
 * and -EPROTO with the reason in tls_error_text(). *ret_wants_write: call again when writable. */
ssize_t tls_send(SSL *ssl, const void *data, size_t size);
ssize_t tls_receive(SSL *ssl, char *data, size_t size, bool *ret_wants_write);

/* Whether the handshake has just failed with -EPROTO because the peer spoke HTTP; leaves the error queue. */
bool tls_peer_speaks_http(void);
/* The newest entry of OpenSSL's error queue as text, never NULL; empties the queue. */
const char *tls_error_text(char *text, size_t size);
