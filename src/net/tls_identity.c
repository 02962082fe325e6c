#include "net/tls_identity.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#define MAX_FILE     ((size_t)4 * 1024 * 1024)
#define DER_SEQUENCE 0x30 /* the first byte of each certificate and key in DER form */
#define TEXT_SIZE    160

/* OpenSSL would ask for a passphrase on the terminal. */
static int refuse_passphrase(char *buf _unused_,
                             int size _unused_,
                             int rwflag _unused_,
                             void *u _unused_)
{
    return 0;
}

/* NULL: the content has no evident fault. */
static const char *find_fault(const char *data, size_t size, enum tls_file kind)
{
    bool is_key = kind == TLS_FILE_KEY;

    if (size == 0)
        return "the file is empty";
    if ((unsigned char)data[0] == DER_SEQUENCE) {
        return is_key ? "it is not PEM but DER: convert it with `openssl pkey -inform DER`"
                      : "it is not PEM but DER: convert it with `openssl x509 -inform DER`";
    }
    if (strstr(data, "-----BEGIN OPENSSH PRIVATE KEY-----"))
        return "it is a key of OpenSSH, not of a certificate";
    if (is_key && strstr(data, "ENCRYPTED")) {
        return "the key is encrypted with a passphrase: remove that with `openssl pkey`, and "
               "protect the file by its mode";
    }
    if (is_key && !strstr(data, "PRIVATE KEY-----"))
        return "the file holds no private key in PEM form";
    if (!is_key && !strstr(data, "-----BEGIN CERTIFICATE-----") &&
        !strstr(data, "-----BEGIN TRUSTED CERTIFICATE-----"))
        return "the file holds no certificate in PEM form";
    return NULL;
}

const char *tls_identity_explain(const char *path, enum tls_file kind, char *text, size_t size)
{
    char reason[TEXT_SIZE];
    char *data = NULL;
    const char *fault;
    size_t n = 0;
    int r;

    (void)tls_error_text(reason, sizeof(reason));
    r = file_read(path, MAX_FILE, &data, &n, NULL);
    if (r < 0) {
        str_copy(text, size, error_text(r));
        return text;
    }
    fault = find_fault(data, n, kind);
    if (fault) {
        str_copy(text, size, fault);
    } else {
        (void)snprintf(text, size, "the %s in the file is damaged or of an unknown kind (%s)",
                       kind == TLS_FILE_KEY ? "key" : "certificate", reason);
    }
    explicit_bzero(data, n);
    free(data);
    return text;
}

static bool is_mismatch(void)
{
    unsigned long code = ERR_peek_last_error();
    int reason = ERR_GET_REASON(code);

    return ERR_GET_LIB(code) == ERR_LIB_X509 &&
           (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH);
}

int tls_identity_load(SSL_CTX *ctx, const char *cert_file, const char *key_file, struct error *err)
{
    char text[TEXT_SIZE];

    SSL_CTX_set_default_passwd_cb(ctx, refuse_passphrase);
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1) {
        return error_set(err, -EINVAL, "certificate %s: %s", cert_file,
                         tls_identity_explain(cert_file, TLS_FILE_CERTIFICATE, text, sizeof(text)));
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(ctx) == 1)
        return 0;
    if (is_mismatch()) {
        ERR_clear_error();
        return error_set(err, -EINVAL, "key %s: it is not the key of the certificate %s", key_file,
                         cert_file);
    }
    return error_set(err, -EINVAL, "key %s: %s", key_file,
                     tls_identity_explain(key_file, TLS_FILE_KEY, text, sizeof(text)));
}
