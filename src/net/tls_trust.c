#include "net/tls_trust.h"
#include "base/alloc.h"
#include "base/str.h"
#include "net/certificate.h"
#include "net/tls.h"
#include "net/tls_identity.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#define PIN_PREFIX "sha256:"
#define HEX_SIZE   64

/* Places that a static OpenSSL of another distribution does not know. */
static const char *const root_files[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
};

struct tls_trust {
    SSL_CTX *ctx;
    bool is_insecure;
    char pins[TLS_PINS_MAX][TLS_FINGERPRINT_SIZE]; /* lower case */
    size_t n_pins;
    char seen[TLS_FINGERPRINT_SIZE]; /* of the last certificate that was checked */
    bool is_refused;
};

static void load_system_roots(SSL_CTX *ctx)
{
    if (SSL_CTX_set_default_verify_paths(ctx) == 1 &&
        access(X509_get_default_cert_file(), R_OK) == 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(root_files); i++) {
        if (SSL_CTX_load_verify_file(ctx, root_files[i]) == 1)
            break;
    }
    /* Without any root every verification fails, which is reported when it happens. */
    ERR_clear_error();
}

static int parse_pin(const char *text, char ret[TLS_FINGERPRINT_SIZE])
{
    if (!str_starts_with(text, PIN_PREFIX) || strlen(text) != strlen(PIN_PREFIX) + HEX_SIZE)
        return -EINVAL;
    str_copy(ret, TLS_FINGERPRINT_SIZE, text);
    for (char *c = ret; *c; c++) {
        if (*c >= 'A' && *c <= 'F')
            *c = (char)(*c - 'A' + 'a');
    }
    return str_is_hex(ret + strlen(PIN_PREFIX), HEX_SIZE) ? 0 : -EINVAL;
}

static int parse_pins(struct tls_trust *t, const char *text, struct error *err)
{
    _cleanup_free_ char *copy = xstrdup(text);
    char *rest = copy;

    while (rest) {
        const char *pin = str_trim(strsep(&rest, ","));

        if (t->n_pins == TLS_PINS_MAX)
            return error_set(err, -E2BIG, "more than %d pins", TLS_PINS_MAX);
        if (parse_pin(pin, t->pins[t->n_pins]) < 0) {
            return error_set(
                err, -EINVAL,
                "expected sha256: and 64 hex digits, as `dockmond fingerprint` prints; "
                "several separated by commas");
        }
        t->n_pins++;
    }
    return 0;
}

int tls_pins_check(const char *text, struct error *err)
{
    struct tls_trust t = {0};

    return parse_pins(&t, text, err);
}

static bool is_pinned(const struct tls_trust *t)
{
    bool is_known = false;

    /* All of them every time: the duration gives nothing away. */
    for (size_t i = 0; i < t->n_pins; i++)
        is_known |= CRYPTO_memcmp(t->pins[i], t->seen, sizeof(t->seen)) == 0;
    return is_known;
}

/*
 * Called by OpenSSL in place of its own verification. With pins the key decides alone; without them
 * the chain does, and OpenSSL checks name and age with it. The fingerprint is kept for the message.
 */
static int judge(struct tls_trust *t, X509_STORE_CTX *store)
{
    const X509 *x = X509_STORE_CTX_get0_cert(store);

    t->seen[0] = '\0';
    if (!x || certificate_fingerprint(x, t->seen) < 0) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
        return 0;
    }
    if (!t->n_pins)
        return X509_verify_cert(store) > 0;
    if (is_pinned(t))
        return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

static int on_certificate(X509_STORE_CTX *store, void *arg)
{
    struct tls_trust *t = arg;
    int verdict = judge(t, store);

    t->is_refused = !verdict;
    return verdict;
}

static int load_roots(SSL_CTX *ctx, const char *ca_file, struct error *err)
{
    char text[160];

    if (!ca_file) {
        load_system_roots(ctx);
    } else if (SSL_CTX_load_verify_file(ctx, ca_file) != 1) {
        return error_set(err, -EINVAL, "CA file %s: %s", ca_file,
                         tls_identity_explain(ca_file, TLS_FILE_CERTIFICATE, text, sizeof(text)));
    }
    return 0;
}

int tls_trust_new(struct tls_trust **ret, const struct tls_trust_options *o, struct error *err)
{
    _cleanup_(tls_trust_freep) struct tls_trust *t = xcalloc(1, sizeof(*t));
    char text[128];
    int r;

    t->is_insecure = o->is_insecure;
    r = o->pins ? parse_pins(t, o->pins, err) : 0;
    if (r < 0)
        return error_wrap(err, r, "pin");
    t->ctx = SSL_CTX_new(TLS_client_method());
    if (!t->ctx)
        return error_set(err, -ENOMEM, "TLS: %s", tls_error_text(text, sizeof(text)));
    tls_context_prepare(t->ctx);
    SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(t->ctx, on_certificate, t);
    r = t->n_pins ? 0 : load_roots(t->ctx, o->ca_file, err);
    if (r == 0 && o->cert_file)
        r = tls_identity_load(t->ctx, o->cert_file, o->key_file, err);
    if (r == 0)
        *ret = TAKE_PTR(t);
    return r;
}

void tls_trust_free(struct tls_trust *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    free(t);
}

const char *tls_trust_refused(const struct tls_trust *t)
{
    return t->is_refused ? t->seen : "";
}

SSL *tls_trust_dial(struct tls_trust *t, int fd, const char *host, bool is_insecure)
{
    return tls_client_new(t->ctx, fd, host, (is_insecure || t->is_insecure) && !t->n_pins);
}

static bool is_unknown_issuer(long verdict)
{
    return verdict == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
           verdict == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           verdict == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
}

void tls_trust_explain(struct tls_trust *t, const SSL *ssl, char *text, size_t size)
{
    long verdict = SSL_get_verify_result(ssl);

    if (verdict == X509_V_OK || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE) {
        (void)tls_error_text(text, size);
        return;
    }
    ERR_clear_error();
    if (verdict == X509_V_ERR_APPLICATION_VERIFICATION) {
        (void)snprintf(text, size, "its key is %s, which is not the pinned one", t->seen);
    } else if (is_unknown_issuer(verdict)) {
        (void)snprintf(text, size, "%s, its key is %s", X509_verify_cert_error_string(verdict),
                       t->seen);
    } else {
        str_copy(text, size, X509_verify_cert_error_string(verdict));
    }
}
