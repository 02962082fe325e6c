#include "net/tls_server.h"
#include "net/tls.h"
#include "net/tls_identity.h"

#include <errno.h>
#include <openssl/ssl.h>

int tls_server_context_new(SSL_CTX **ret,
                           const char *cert_file,
                           const char *key_file,
                           struct error *err)
{
    _cleanup_(tls_server_context_freep) SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    char text[128];
    int r;

    if (!ctx)
        return error_set(err, -ENOMEM, "TLS: %s", tls_error_text(text, sizeof(text)));
    tls_context_prepare(ctx);
    /* Resumption by tickets alone: the server keeps no sessions. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    r = tls_identity_load(ctx, cert_file, key_file, err);
    if (r == 0)
        *ret = TAKE_PTR(ctx);
    return r;
}

void tls_server_context_free(SSL_CTX *ctx)
{
    SSL_CTX_free(ctx);
}
