#pragma once

/*
 * The identity of an accepting side: certificate chain and key. A context can be replaced at any
 * time: the connections made with it keep it alive.
 */

#include "base/error.h"

struct ssl_ctx_st; /* OpenSSL's SSL_CTX */

/* PEM files; the key must belong to the first certificate. */
int tls_server_context_new(struct ssl_ctx_st **ret,
                           const char *cert_file,
                           const char *key_file,
                           struct error *err) _nodiscard_;
void tls_server_context_free(struct ssl_ctx_st *ctx);
DEFINE_CLEANUP(struct ssl_ctx_st *, tls_server_context_free);
