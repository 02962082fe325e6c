#pragma once

/*
 * Keeps the server's certificate: the configured files, or a self-signed certificate in
 * DATA-DIR/tls/. That one is created if it is missing, and renewed with the same key, so that
 * pinned fingerprints stay valid. Lives on the loop, and blocks it while a certificate is created
 * or read.
 */

#include "base/error.h"
#include "net/loop.h"
#include "net/tls_server.h"

#define TLS_KEEPER_DAYS       825 /* of a new certificate; some clients refuse more */
#define TLS_KEEPER_LEAST_DAYS 30  /* of validity left; with fewer it is renewed */

struct tls_keeper;

struct tls_keeper_files {
    const char *data_dir;
    const char *cert_file, *key_file; /* PEM, both or none; NULL: self-signed */
    /* Additional names in the self-signed certificate, comma-separated, or NULL. */
    const char *names;
};

struct tls_keeper_options {
    struct loop *loop;
    struct tls_keeper_files files;
    int64_t (*utc_ms)(void); /* NULL: time_utc_ms */
    /* Another certificate is in use from now on. Never called from within tls_keeper_open(). */
    void (*on_change)(void *owner);
    void *owner;
};

/* Loads the certificate, and creates or renews the self-signed one first. The options are
 * copied; the strings in `files` are only used during the call. */
int tls_keeper_open(struct tls_keeper **ret, const struct tls_keeper_options *o, struct error *err)
    _nodiscard_;
void tls_keeper_close(struct tls_keeper *k);
DEFINE_CLEANUP(struct tls_keeper *, tls_keeper_close);

/* The result is valid until on_change() or tls_keeper_close(). */
struct ssl_ctx_st *tls_keeper_context(const struct tls_keeper *k);
/* Returns the fingerprint of the current key, as for DOCKMON_PIN. Valid as long as the context. */
const char *tls_keeper_fingerprint(const struct tls_keeper *k);
/* Whether the current certificate is valid for a host name. */
bool tls_keeper_has_name(const struct tls_keeper *k, const char *name);

/* Reads the files again and calls on_change(). On failure, everything stays as it was. */
int tls_keeper_reload(struct tls_keeper *k, struct error *err) _nodiscard_;

/* Offline: returns the fingerprint of the certificate that a server with these files presents; the
 * caller frees it. -ENOENT when the certificate was not created yet. */
int tls_keeper_find_fingerprint(const struct tls_keeper_files *files, char **ret, struct error *err)
    _nodiscard_;
