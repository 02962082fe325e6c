#include "base/alloc.h"
#include "base/file.h"
#include "net/certificate.h"
#include "net/tls_server.h"
#include "net/tls_trust.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct files {
    char dir[64], cert[80], key[80];
    struct buf cert_pem, key_pem;
};

static void make(struct files *f, const struct certificate_spec *spec)
{
    struct error err = ERROR_INIT;

    f->cert_pem = f->key_pem = BUF_INIT(65536);
    if (certificate_make(spec, &f->cert_pem, &f->key_pem, &err) < 0)
        fail_msg("%s", err.msg);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/certificate-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->cert, sizeof(f->cert), "%s/cert.pem", f->dir);
    (void)snprintf(f->key, sizeof(f->key), "%s/key.pem", f->dir);
    assert_int_equal(file_write_atomic(f->cert, f->cert_pem.data, f->cert_pem.size, 0644, &err), 0);
    assert_int_equal(file_write_atomic(f->key, f->key_pem.data, f->key_pem.size, 0600, &err), 0);
}

static void files_done(struct files *f)
{
    (void)unlink(f->cert);
    (void)unlink(f->key);
    (void)rmdir(f->dir);
    buf_done(&f->cert_pem);
    buf_done(&f->key_pem);
}

static const char *const names[] = {"host.example", "localhost", "127.0.0.1", "::1", "*.example"};

static void test_round_trip(void **state)
{
    const struct certificate_spec spec = {names, ARRAY_LEN(names), NULL, 30};
    struct certificate_info info;
    struct ssl_ctx_st *ctx = NULL;
    struct error err = ERROR_INIT;
    struct files f;
    int64_t left;

    (void)state;
    make(&f, &spec);
    assert_int_equal(certificate_read(f.cert, &info, &err), 0);
    assert_int_equal(info.n_names, ARRAY_LEN(names));
    for (size_t i = 0; i < info.n_names; i++)
        assert_string_equal(info.names[i], names[i]);
    left = info.not_after_s - time(NULL);
    assert_in_range(left, 30 * 86400 - 60, 30 * 86400);
    assert_int_equal(tls_pins_check(info.fingerprint, &err), 0);
    assert_int_equal(tls_server_context_new(&ctx, f.cert, f.key, &err), 0);
    tls_server_context_free(ctx);
    certificate_info_done(&info);
    files_done(&f);
}

/* A certificate renewed with its key keeps its fingerprint; with another key it gets another. */
static void test_names_of_a_certificate(void **state)
{
    static const struct {
        const char *name;
        bool is_known;
    } cases[] = {
        {"host.example",      true },
        {"HOST.Example",      true },
        {"a.b.example",       false},
        {"x.example",         true },
        {"example",           false},
        {".example",          false},
        {"host.example.evil", false},
        {"*.example",         true },
        {"localhost",         true },
        {"local",             false},
    };
    static char a[] = "host.example", b[] = "localhost", c[] = "*.example";
    char *own[] = {a, b, c};
    const struct certificate_info info = {.names = own, .n_names = ARRAY_LEN(own)};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (certificate_info_has_name(&info, cases[i].name) != cases[i].is_known)
            fail_msg("%s", cases[i].name);
    }
}

static void test_fingerprint_is_of_the_key(void **state)
{
    struct certificate_spec spec = {names, ARRAY_LEN(names), NULL, 30};
    struct certificate_info info[3];
    struct error err = ERROR_INIT;
    struct files f[3];

    (void)state;
    make(&f[0], &spec);
    make(&f[1], &spec);
    spec.key = buf_str(&f[0].key_pem);
    spec.n_names = 1;
    make(&f[2], &spec);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(certificate_read(f[i].cert, &info[i], &err), 0);
    assert_string_not_equal(info[0].fingerprint, info[1].fingerprint);
    assert_string_equal(info[0].fingerprint, info[2].fingerprint);
    for (size_t i = 0; i < 3; i++) {
        certificate_info_done(&info[i]);
        files_done(&f[i]);
    }
}

static void test_refusals(void **state)
{
    static const char *const bad[] = {
        "",   "a b",  "a,DNS:b",  "a\nb", "-a",    ".a",   "*",
        "*.", "a*.b", "http://a", "a:1",  "[::1]", "1::g",
    };
    struct error err = ERROR_INIT;
    struct buf cert = BUF_INIT(65536), key = BUF_INIT(65536);
    struct certificate_info info;
    struct ssl_ctx_st *ctx = NULL;
    struct files f[2];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const struct certificate_spec spec = {&bad[i], 1, NULL, 30};

        assert_int_equal(certificate_make(&spec, &cert, &key, &err), -EINVAL);
    }
    assert_int_equal(
        certificate_make(&(struct certificate_spec){names, 1, "no key", 1}, &cert, &key, &err),
        -EINVAL);
    assert_int_equal(cert.size + key.size, 0);

    for (size_t i = 0; i < 2; i++)
        make(&f[i], &(struct certificate_spec){names, 1, NULL, 1});
    assert_int_equal(certificate_read(f[0].key, &info, &err), -EINVAL);
    assert_int_equal(certificate_read("/nonexistent", &info, &err), -EINVAL);
    assert_int_equal(tls_server_context_new(&ctx, f[0].cert, f[1].key, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "it is not the key of the certificate"));
    assert_int_equal(tls_server_context_new(&ctx, "/nonexistent", f[1].key, &err), -EINVAL);
    for (size_t i = 0; i < 2; i++)
        files_done(&f[i]);
}

static void test_unusable_files_are_explained(void **state)
{
    static const struct {
        const char *cert, *key; /* NULL: the good one */
        const char *text;
    } cases[] = {
        {"",                                 NULL,                                         "cert.pem: the file is empty"            },
        {"0\x82",                            NULL,                                         "cert.pem: it is not PEM but DER"        },
        {"hello",                            NULL,                                         "cert.pem: the file holds no certificate"},
        {"-----BEGIN CERTIFICATE-----\nx\n", NULL,                                         "the certificate in the file is damaged" },
        {NULL,                               "0\x82",                                      "key.pem: it is not PEM but DER"         },
        {NULL,                               "hello",                                      "key.pem: the file holds no private key" },
        {NULL,                               "-----BEGIN OPENSSH PRIVATE KEY-----\n",      "key.pem: it is a key of OpenSSH"        },
        {NULL,                               "-----BEGIN ENCRYPTED PRIVATE KEY-----\nx\n",
         "key.pem: the key is encrypted with a passphrase"                                                                          },
        {NULL,                               "-----BEGIN PRIVATE KEY-----\nx\n",           "the key in the file is damaged"         },
    };
    struct error err = ERROR_INIT;
    struct ssl_ctx_st *ctx = NULL;
    struct files f;

    (void)state;
    make(&f, &(struct certificate_spec){names, 1, NULL, 1});
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *cert = cases[i].cert ? cases[i].cert : buf_str(&f.cert_pem);
        const char *key = cases[i].key ? cases[i].key : buf_str(&f.key_pem);

        assert_int_equal(file_write_atomic(f.cert, cert, strlen(cert), 0644, NULL), 0);
        assert_int_equal(file_write_atomic(f.key, key, strlen(key), 0600, NULL), 0);
        assert_int_equal(tls_server_context_new(&ctx, f.cert, f.key, &err), -EINVAL);
        if (!strstr(err.msg, cases[i].text))
            fail_msg("case %zu: %s", i, err.msg);
    }
    files_done(&f);
}

static void test_pins(void **state)
{
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"sha256:" HEX,                                                             0      },
        {"sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", 0      },
        {" sha256:" HEX " , sha256:" HEX " ",                                       0      },
        {"",                                                                        -EINVAL},
        {HEX,                                                                       -EINVAL},
        {"sha1:" HEX,                                                               -EINVAL},
        {"sha256:" HEX "0",                                                         -EINVAL},
        {"sha256:0123456789abcdef",                                                 -EINVAL},
        {"sha256:" HEX ",",                                                         -EINVAL},
        {"sha256:g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", -EINVAL},
        {"sha256:" HEX ",sha256:" HEX ",sha256:" HEX ",sha256:" HEX ",sha256:" HEX ",sha256:" HEX
         ",sha256:" HEX ",sha256:" HEX ",sha256:" HEX,
         -E2BIG                                                                            },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = ERROR_INIT;

        if (tls_pins_check(cases[i].text, &err) != cases[i].code)
            fail_msg("case %zu: %d %s", i, err.code, err.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_fingerprint_is_of_the_key),
        cmocka_unit_test(test_names_of_a_certificate),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_unusable_files_are_explained),
        cmocka_unit_test(test_pins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
