#pragma once

/*
 * TLS on a non-blocking socket. Dialling, servers are verified against one CA file or the
 * system's roots, by name or IP. For net/ only.
 */

#include "base/error.h"
#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

/* `ca_file` NULL: the system's roots. The caller frees with SSL_CTX_free(). */
int tls_context_new(SSL_CTX **ret, const char *ca_file, struct error *err) _nodiscard_;

/* A session on `fd`, which stays the caller's, ready for SSL_do_handshake(); NULL when OpenSSL cannot. */
SSL *tls_client_new(SSL_CTX *ctx, int fd, const char *host, bool is_insecure);
SSL *tls_server_new(SSL_CTX *ctx, int fd);

/* Bytes moved, -EAGAIN, or -EPIPE and the like. Receiving gives 0 at the peer's close_notify and -ECONNRESET
 * for an end without one, since the data may be cut; *ret_wants_write: call again when writable. */
ssize_t tls_send(SSL *ssl, const char *data, size_t size);
ssize_t tls_receive(SSL *ssl, char *data, size_t size, bool *ret_wants_write);

/* The newest entry of OpenSSL's error queue as text, never NULL; empties the queue. */
const char *tls_error_text(char *text, size_t size);
