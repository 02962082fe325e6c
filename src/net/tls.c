#include "net/tls.h"
#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>

void tls_context_prepare(SSL_CTX *ctx)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

const char *tls_error_text(char *text, size_t size)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    str_copy(text, size, reason ? reason : "TLS failure");
    ERR_clear_error();
    return text;
}

bool tls_peer_speaks_http(void)
{
    unsigned long code = ERR_peek_error();

    return ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST;
}

SSL *tls_client_new(SSL_CTX *ctx, int fd, const char *host, bool is_insecure)
{
    SSL *ssl = SSL_new(ctx);
    char *name = (char *)(uintptr_t)host; /* OpenSSL's macro casts const away; clang minds */

    if (!ssl)
        return NULL;
    /* An IP is matched as such and never sent as server name (RFC 6066). */
    if (SSL_set_fd(ssl, fd) != 1 ||
        (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) != 1 &&
         (SSL_set1_host(ssl, host) != 1 || SSL_set_tlsext_host_name(ssl, name) != 1))) {
        SSL_free(ssl);
        return NULL;
    }
    if (is_insecure)
        SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    SSL_set_connect_state(ssl);
    return ssl;
}

SSL *tls_server_new(SSL_CTX *ctx, int fd)
{
    SSL *ssl = SSL_new(ctx);

    if (ssl && SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    if (ssl)
        SSL_set_accept_state(ssl);
    return ssl;
}

int tls_nest(SSL *inner, SSL *outer)
{
    BIO *bio = BIO_new(BIO_f_ssl());

    if (!bio)
        return -ENOMEM;
    (void)BIO_set_ssl(bio, outer, BIO_CLOSE);
    SSL_set_bio(inner, bio, bio);
    return 0;
}

int tls_handshake(SSL *ssl, bool *ret_wants_write)
{
    int r;

    *ret_wants_write = false;
    ERR_clear_error();
    r = SSL_do_handshake(ssl);
    if (r == 1)
        return 0;
    switch (SSL_get_error(ssl, r)) {
    case SSL_ERROR_WANT_WRITE: *ret_wants_write = true; return -EAGAIN;
    case SSL_ERROR_WANT_READ: return -EAGAIN;
    case SSL_ERROR_SYSCALL: return -ECONNRESET;
    default: return -EPROTO;
    }
}

ssize_t tls_send(SSL *ssl, const void *data, size_t size)
{
    int n;

    ERR_clear_error();
    n = SSL_write(ssl, data, size > INT_MAX ? INT_MAX : (int)size);
    if (n > 0)
        return n;
    switch (SSL_get_error(ssl, n)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return -EAGAIN;
    default: return -EPIPE;
    }
}

static bool is_unexpected_end(void)
{
    unsigned long code = ERR_peek_last_error();

    return ERR_GET_LIB(code) == ERR_LIB_SSL &&
           ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

ssize_t tls_receive(SSL *ssl, char *data, size_t size, bool *ret_wants_write)
{
    int n;

    *ret_wants_write = false;
    ERR_clear_error();
    errno = 0;
    n = SSL_read(ssl, data, size > INT_MAX ? INT_MAX : (int)size);
    if (n > 0)
        return n;
    switch (SSL_get_error(ssl, n)) {
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_WANT_WRITE: *ret_wants_write = true; return -EAGAIN;
    case SSL_ERROR_WANT_READ: return -EAGAIN;
    case SSL_ERROR_SYSCALL: return errno ? -errno : -ECONNRESET;
    default: return is_unexpected_end() ? -ECONNRESET : -EPROTO;
    }
}
