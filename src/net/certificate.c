#include "net/certificate.h"
#include "base/alloc.h"
#include "base/random.h"
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define NAME_MAX_SIZE   253
#define SUBJECT_MAX     64 /* of a common name (X.520) */
#define SERIAL_SIZE     16
#define DAY_S           86400
#define CLOCK_MARGIN_S  3600 /* for other hosts, whose clocks may be behind */
#define SAN_TEXT_MAX    ((size_t)64 * 1024)
#define FINGERPRINT_FMT "sha256:"

DEFINE_CLEANUP(X509 *, X509_free);
DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free);
DEFINE_CLEANUP(BIO *, BIO_free_all);

static int fail(struct error *err, const char *doing)
{
    char text[128];

    return error_set(err, -EINVAL, "%s: %s", doing, tls_error_text(text, sizeof(text)));
}

int certificate_fingerprint(const X509 *x, char ret[TLS_FINGERPRINT_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char *der = NULL;
    unsigned int size = 0;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
    int r;

    if (n <= 0)
        return -EINVAL;
    r = EVP_Digest(der, (size_t)n, digest, &size, EVP_sha256(), NULL);
    OPENSSL_free(der);
    if (r != 1)
        return -EINVAL;
    str_copy(ret, TLS_FINGERPRINT_SIZE, FINGERPRINT_FMT);
    for (size_t i = 0; i < size; i++)
        (void)snprintf(ret + strlen(FINGERPRINT_FMT) + 2 * i, 3, "%02x", digest[i]);
    return 0;
}

/* Reading */

static char *name_text(const GENERAL_NAME *name)
{
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    char text[INET6_ADDRSTRLEN];

    if (type == GEN_DNS) {
        return xstrndup((const char *)ASN1_STRING_get0_data(value),
                        (size_t)ASN1_STRING_length(value));
    }
    if (type != GEN_IPADD)
        return NULL;
    if (!inet_ntop(ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6,
                   ASN1_STRING_get0_data(value), text, sizeof(text)))
        return NULL;
    return xstrdup(text);
}

static void read_names(const X509 *x, struct certificate_info *ret)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    int n = names ? sk_GENERAL_NAME_num(names) : 0;

    ret->names = xcalloc((size_t)n + 1, sizeof(*ret->names));
    for (int i = 0; i < n; i++) {
        char *text = name_text(sk_GENERAL_NAME_value(names, i));

        if (text && certificate_name_is_valid(text)) {
            ret->names[ret->n_names++] = text;
        } else {
            free(text);
        }
    }
    GENERAL_NAMES_free(names);
}

int certificate_read(const char *path, struct certificate_info *ret, struct error *err)
{
    _cleanup_(BIO_free_allp) BIO *in = BIO_new_file(path, "r");
    _cleanup_(X509_freep) X509 *x = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    struct certificate_info info = {0};
    struct tm until;

    if (!x)
        return fail(err, path);
    if (certificate_fingerprint(x, info.fingerprint) < 0 ||
        ASN1_TIME_to_tm(X509_get0_notAfter(x), &until) != 1)
        return fail(err, path);
    info.not_after_s = timegm(&until);
    read_names(x, &info);
    *ret = info;
    return 0;
}

void certificate_info_done(struct certificate_info *info)
{
    for (size_t i = 0; i < info->n_names; i++)
        free(info->names[i]);
    free(info->names);
    *info = (struct certificate_info){0};
}

bool certificate_info_has_name(const struct certificate_info *info, const char *name)
{
    const char *parent = strchr(name, '.');

    for (size_t i = 0; i < info->n_names; i++) {
        const char *own = info->names[i];

        if (strcasecmp(own, name) == 0)
            return true;
        if (parent && parent > name && str_starts_with(own, "*.") &&
            strcasecmp(own + 1, parent) == 0)
            return true;
    }
    return false;
}

/* Creation */

static bool is_ip(const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

bool certificate_name_is_valid(const char *name)
{
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    const char *rest = str_starts_with(name, "*.") ? name + 2 : name;

    if (is_ip(name))
        return true;
    return *rest && strlen(name) <= NAME_MAX_SIZE && rest[strspn(rest, chars)] == '\0' &&
           *rest != '.' && *rest != '-';
}

static int load_key(const char *pem, EVP_PKEY **ret, struct error *err)
{
    _cleanup_(BIO_free_allp) BIO *in = pem ? BIO_new_mem_buf(pem, -1) : NULL;
    EVP_PKEY *key = pem ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : EVP_EC_gen("P-256");

    if (!key)
        return fail(err, pem ? "key" : "make a key");
    *ret = key;
    return 0;
}

static bool add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *e;
    bool is_ok;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, x, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    is_ok = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return is_ok;
}

static bool add_names(X509 *x, const struct certificate_spec *spec)
{
    struct buf text = BUF_INIT(SAN_TEXT_MAX);
    bool is_ok = true;

    for (size_t i = 0; i < spec->n_names; i++) {
        is_ok = is_ok && buf_printf(&text, "%s%s:%s", i ? "," : "",
                                    is_ip(spec->names[i]) ? "IP" : "DNS", spec->names[i]) == 0;
    }
    is_ok = is_ok && add_extension(x, NID_subject_alt_name, buf_str(&text));
    buf_done(&text);
    return is_ok;
}

static bool set_serial(X509 *x)
{
    unsigned char bytes[SERIAL_SIZE];
    BIGNUM *n;
    bool is_ok;

    random_bytes(bytes, sizeof(bytes));
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, and always of one length */
    n = BN_bin2bn(bytes, sizeof(bytes), NULL);
    is_ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    return is_ok;
}

static bool set_subject(X509 *x, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(x);
    char text[SUBJECT_MAX + 1];

    str_copy(text, sizeof(text), name);
    return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)text, -1,
                                      -1, 0) == 1 &&
           X509_set_issuer_name(x, subject) == 1;
}

static bool fill(X509 *x, EVP_PKEY *key, const struct certificate_spec *spec)
{
    long age = (long)spec->n_days * DAY_S;

    return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
           X509_gmtime_adj(X509_getm_notBefore(x), -CLOCK_MARGIN_S) &&
           X509_gmtime_adj(X509_getm_notAfter(x), age) && X509_set_pubkey(x, key) == 1 &&
           set_subject(x, spec->names[0]) &&
           add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x, NID_key_usage, "critical,digitalSignature") &&
           add_extension(x, NID_ext_key_usage, "serverAuth") &&
           add_extension(x, NID_subject_key_identifier, "hash") && add_names(x, spec) &&
           X509_sign(x, key, EVP_sha256()) > 0;
}

static bool append_bio(struct buf *to, BIO *from)
{
    char *data = NULL;
    long n = BIO_get_mem_data(from, &data);

    return n > 0 && buf_append(to, data, (size_t)n) == 0;
}

static bool write_pem(const X509 *x, const EVP_PKEY *key, struct buf *ret_cert, struct buf *ret_key)
{
    _cleanup_(BIO_free_allp) BIO *cert_out = BIO_new(BIO_s_mem());
    _cleanup_(BIO_free_allp) BIO *key_out = BIO_new(BIO_s_secmem());

    return cert_out && key_out && PEM_write_bio_X509(cert_out, x) == 1 &&
           PEM_write_bio_PKCS8PrivateKey(key_out, key, NULL, NULL, 0, NULL, NULL) == 1 &&
           append_bio(ret_cert, cert_out) && append_bio(ret_key, key_out);
}

int certificate_make(const struct certificate_spec *spec,
                     struct buf *ret_cert,
                     struct buf *ret_key,
                     struct error *err)
{
    _cleanup_(X509_freep) X509 *x = X509_new();
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    int r;

    for (size_t i = 0; i < spec->n_names; i++) {
        if (!certificate_name_is_valid(spec->names[i]))
            return error_set(err, -EINVAL, "`%s` is neither host name nor IP", spec->names[i]);
    }
    r = load_key(spec->key, &key, err);
    if (r < 0)
        return r;
    if (!x || !fill(x, key, spec) || !write_pem(x, key, ret_cert, ret_key))
        return fail(err, "make a certificate");
    return 0;
}
