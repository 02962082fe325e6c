#include "net/tls.h"
#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>

/* What tls_send() and little memory per connection need. */
#define TLS_MODE \
    (SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER)

/* Where a static OpenSSL of another distribution would not look by itself. */
static const char *const root_files[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
};

const char *tls_error_text(char *text, size_t size)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    str_copy(text, size, reason ? reason : "TLS failure");
    ERR_clear_error();
    return text;
}

static void load_system_roots(SSL_CTX *ctx)
{
    if (SSL_CTX_set_default_verify_paths(ctx) == 1 &&
        access(X509_get_default_cert_file(), R_OK) == 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(root_files); i++) {
        if (SSL_CTX_load_verify_file(ctx, root_files[i]) == 1)
            break;
    }
    /* Without any root every verification fails, which is said when it happens. */
    ERR_clear_error();
}

int tls_context_new(SSL_CTX **ret, const char *ca_file, struct error *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    char text[128];

    if (!ctx)
        return error_set(err, -ENOMEM, "TLS: %s", tls_error_text(text, sizeof(text)));
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx, TLS_MODE);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (!ca_file) {
        load_system_roots(ctx);
    } else if (SSL_CTX_load_verify_file(ctx, ca_file) != 1) {
        SSL_CTX_free(ctx);
        return error_set(err, -EINVAL, "CA file %s: %s", ca_file,
                         tls_error_text(text, sizeof(text)));
    }
    *ret = ctx;
    return 0;
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
    if (ssl) {
        SSL_set_mode(ssl, TLS_MODE);
        SSL_set_accept_state(ssl);
    }
    return ssl;
}

ssize_t tls_send(SSL *ssl, const char *data, size_t size)
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
    default: return -ECONNRESET;
    }
}
