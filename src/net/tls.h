#pragma once

/*
 * TLS contexts for dialling: verify servers against one CA file or the system's roots. For net/ only.
 */

#include "base/error.h"
#include <openssl/ssl.h>

/* `ca_file` NULL: the system's roots. The caller frees with SSL_CTX_free(). */
int tls_context_new(SSL_CTX **ret, const char *ca_file, struct error *err) _nodiscard_;

/* The newest entry of OpenSSL's error queue as text, never NULL; empties the queue. */
const char *tls_error_text(char *text, size_t size);
