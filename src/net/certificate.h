#pragma once

/*
 * X.509 certificates in PEM files: reads the facts that a program needs, and makes self-signed
 * ones.
 */

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include <stdint.h>

#define TLS_FINGERPRINT_SIZE 72 /* "sha256:" and 64 hex digits, with NUL */

struct x509_st; /* OpenSSL's X509 */

struct certificate_info {
    char fingerprint[TLS_FINGERPRINT_SIZE]; /* of its public key */
    int64_t not_after_s;                    /* Unix time */
    char **names;                           /* DNS names and IPs of subjectAltName as text */
    size_t n_names;
};

/* The first certificate of a PEM file. certificate_info_done() frees. */
int certificate_read(const char *path, struct certificate_info *ret, struct error *err) _nodiscard_;
void certificate_info_done(struct certificate_info *info);
/* Whether a client may find this certificate at a host name; "*" stands for one label. */
bool certificate_info_has_name(const struct certificate_info *info, const char *name);

struct certificate_spec {
    const char *const *names; /* DNS names and IPs; the first is the subject, too */
    size_t n_names;
    const char *key; /* PEM of a key to keep; NULL: a new one, ECDSA P-256 */
    unsigned n_days; /* from now */
};

/* Appends PEM to `ret_cert` and `ret_key`. -EINVAL for a name that is neither host name nor IP. */
int certificate_make(const struct certificate_spec *spec,
                     struct buf *ret_cert,
                     struct buf *ret_key,
                     struct error *err) _nodiscard_;

bool certificate_name_is_valid(const char *name);

/* For net/ only. */
int certificate_fingerprint(const struct x509_st *x, char ret[TLS_FINGERPRINT_SIZE]) _nodiscard_;
