#pragma once

/*
 * Trust and identity of a side that dials with TLS: roots or pinned keys, and perhaps a client
 * certificate. Created once and borrowed by everything that dials with it.
 *
 * A pin is the SHA-256 of the public key in the server's certificate (its SubjectPublicKeyInfo in
 * DER): "sha256:" and 64 hex digits. With pins, chain, name and age of the certificate are not
 * checked.
 */

#include "base/error.h"
#include <stdbool.h>

#define TLS_PINS_MAX 8

struct ssl_st; /* OpenSSL's SSL */
struct tls_trust;

struct tls_trust_options {
    const char *ca_file;              /* PEM; NULL: the system's roots */
    const char *pins;                 /* one or several, separated by commas; NULL: none */
    const char *cert_file, *key_file; /* PEM, both or none: the client certificate */
    bool is_insecure; /* accept any certificate of the peer; ignored when there are pins */
};

int tls_trust_new(struct tls_trust **ret, const struct tls_trust_options *o, struct error *err)
    _nodiscard_;
void tls_trust_free(struct tls_trust *t);
DEFINE_CLEANUP(struct tls_trust *, tls_trust_free);

/* Whether `text` is a list of pins. */
int tls_pins_check(const char *text, struct error *err) _nodiscard_;

/*
 * Fingerprint of the key in the last certificate that was checked, if it was refused, otherwise "".
 */
const char *tls_trust_refused(const struct tls_trust *t);

/* For net/ only: a session on `fd`, which stays the caller's; NULL when OpenSSL cannot. */
struct ssl_st *tls_trust_dial(struct tls_trust *t, int fd, const char *host, bool is_insecure);
/* For net/ only: why the handshake of `ssl` has just failed with -EPROTO. */
void tls_trust_explain(struct tls_trust *t, const struct ssl_st *ssl, char *text, size_t size);
