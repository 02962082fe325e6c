#include "net/tls_server.h"
#include "net/tls.h"

#include <errno.h>
#include <openssl/ssl.h>

int tls_server_context_new(SSL_CTX **ret,
                           const char *cert_file,
                           const char *key_file,
                           struct error *err)
{
    _cleanup_(tls_server_context_freep) SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    char text[128];

    if (!ctx)
        return error_set(err, -ENOMEM, "TLS: %s", tls_error_text(text, sizeof(text)));
    tls_context_prepare(ctx);
    /* Resumption by tickets alone: the server keeps no sessions. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1) {
        return error_set(err, -EINVAL, "certificate %s: %s", cert_file,
                         tls_error_text(text, sizeof(text)));
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        return error_set(err, -EINVAL, "key %s: %s", key_file, tls_error_text(text, sizeof(text)));
    }
    *ret = TAKE_PTR(ctx);
    return 0;
}

void tls_server_context_free(SSL_CTX *ctx)
{
    SSL_CTX_free(ctx);
}
