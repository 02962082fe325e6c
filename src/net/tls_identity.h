#pragma once

/*
 * Files of certificates and keys: loads them into a context, and explains in plain words why one
 * cannot be used. For net/ only.
 */

#include "base/error.h"
#include <openssl/ssl.h>

enum tls_file {
    TLS_FILE_CERTIFICATE,
    TLS_FILE_KEY,
};

/*
 * Loads a certificate chain and its private key, both PEM. An encrypted key is refused and never
 * asked for. -EINVAL: `err` names the file and the reason.
 */
int tls_identity_load(SSL_CTX *ctx, const char *cert_file, const char *key_file, struct error *err);

/*
 * Writes to `text` why OpenSSL has refused the file: that it cannot be read, is encrypted, not PEM,
 * or has other content. `size` is that of `text`. Empties the error queue. Returns `text`.
 */
const char *tls_identity_explain(const char *path, enum tls_file kind, char *text, size_t size);
