#pragma once

/*
 * Keeps the server's certificate: the files it was given, or a self-signed one of its own in
 * DATA-DIR/tls/, made when missing and renewed with the same key, so that pinned fingerprints stay good.
 * Lives on the loop, which it blocks for the moment that making or reading a certificate takes.
 */

#include "base/error.h"
#include "net/loop.h"
#include "net/tls_server.h"

#define TLS_KEEPER_DAYS       825 /* of a new certificate; some clients refuse more */
#define TLS_KEEPER_LEAST_DAYS 30  /* then it is renewed */

struct tls_keeper;

struct tls_keeper_files {
    const char *data_dir;
    const char *cert_file, *key_file; /* PEM, both or none; NULL: self-signed */
    const char *names; /* further ones for the self-signed certificate, comma-separated, or NULL */
};

struct tls_keeper_options {
    struct loop *loop;
    struct tls_keeper_files files;
    int64_t (*utc_ms)(void); /* NULL: the clock */
    /* Another certificate is in use from now on. Never from inside tls_keeper_open(). */
    void (*on_change)(void *owner);
    void *owner;
};

int tls_keeper_open(struct tls_keeper **ret, const struct tls_keeper_options *o, struct error *err)
    _nodiscard_;
void tls_keeper_close(struct tls_keeper *k);
DEFINE_CLEANUP(struct tls_keeper *, tls_keeper_close);

struct ssl_ctx_st *tls_keeper_context(const struct tls_keeper *k); /* until on_change or close */
const char *tls_keeper_fingerprint(const struct tls_keeper *k);

/* Reads the files again, with on_change if that works. Otherwise everything stays as it was. */
int tls_keeper_reload(struct tls_keeper *k, struct error *err) _nodiscard_;

/* Offline: the fingerprint of the certificate that a server with these files shows, to be freed. -ENOENT when it
 * is still to be made. */
int tls_keeper_find_fingerprint(const struct tls_keeper_files *files, char **ret, struct error *err)
    _nodiscard_;
