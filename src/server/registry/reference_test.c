#include "base/alloc.h"
#include "base/str.h"
#include "server/registry/reference.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define HEX   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA   "sha256:" HEX
#define LONG  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG4 LONG LONG LONG LONG

/* `key` NULL: refused; "": an id. */
static const struct {
    const char *text, *key, *digest;
} cases[] = {
    {"nginx",                            "docker.io/library/nginx:latest",          NULL},
    {"nginx:1.27",                       "docker.io/library/nginx:1.27",            NULL},
    {"library/nginx",                    "docker.io/library/nginx:latest",          NULL},
    {"docker.io/nginx",                  "docker.io/library/nginx:latest",          NULL},
    {"index.docker.io/library/nginx",    "docker.io/library/nginx:latest",          NULL},
    {"registry-1.docker.io/a/b:c",       "docker.io/a/b:c",                         NULL},
    {"grafana/grafana",                  "docker.io/grafana/grafana:latest",        NULL},
    {"ghcr.io/a/b/c:v1",                 "ghcr.io/a/b/c:v1",                        NULL},
    {"GHCR.io/a/b",                      "ghcr.io/a/b:latest",                      NULL},
    {"localhost/web",                    "localhost/web:latest",                    NULL},
    {"localhost:5000/web:x",             "localhost:5000/web:x",                    NULL},
    {"registry:5000/web",                "registry:5000/web:latest",                NULL},
    {"[::1]:5000/web:1",                 "[::1]:5000/web:1",                        NULL},
    {"my-reg.example.com/a__b/c-d.e--f", "my-reg.example.com/a__b/c-d.e--f:latest", NULL},
    {"nginx@" SHA,                       "docker.io/library/nginx",                 SHA },
    {"nginx:1.27@" SHA,                  "docker.io/library/nginx:1.27",            SHA },
    {"localhost:5000/web@" SHA,          "localhost:5000/web",                      SHA },
    {SHA,                                "",                                        NULL},
    {HEX,                                "",                                        NULL},
    {"",                                 NULL,                                      NULL},
    {"Nginx",                            NULL,                                      NULL},
    {"nginx:",                           NULL,                                      NULL},
    {"nginx:-a",                         NULL,                                      NULL},
    {"nginx:" LONG LONG "a",             NULL,                                      NULL},
    {"nginx@sha256:12",                  NULL,                                      NULL},
    {"nginx@md5:" HEX,                   NULL,                                      NULL},
    {"a//b",                             NULL,                                      NULL},
    {"a/",                               NULL,                                      NULL},
    {"/a",                               NULL,                                      NULL},
    {"a___b",                            NULL,                                      NULL},
    {"a..b/c",                           NULL,                                      NULL},
    {"-a.example/b",                     NULL,                                      NULL},
    {"host:port/b",                      NULL,                                      NULL},
    {"host:123456/b",                    NULL,                                      NULL},
    {"user@host.example/b",              NULL,                                      NULL},
    {"a b",                              NULL,                                      NULL},
    {"a\n",                              NULL,                                      NULL},
    {"../../etc",                        NULL,                                      NULL},
    {"x.example/" LONG4,                 NULL,                                      NULL},
    {"https://nginx",                    NULL,                                      NULL},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reference r = {0};
        struct error err = ERROR_INIT;
        int code = reference_parse(cases[i].text, &r, &err);
        _cleanup_free_ char *key = NULL;

        if (!cases[i].key) {
            if (code == 0)
                fail_msg("%s was accepted", cases[i].text);
            assert_int_equal(code, -EINVAL);
            assert_true(str_starts_with(err.msg, "image reference: "));
            continue;
        }
        if (code < 0)
            fail_msg("%s: %s", cases[i].text, err.msg);
        assert_int_equal(r.is_id, cases[i].key[0] == '\0');
        if (!r.is_id) {
            key = reference_key(&r);
            assert_string_equal(key, cases[i].key);
            assert_true(str_eq(r.digest, cases[i].digest));
        }
        reference_done(&r);
    }
}

static void test_domains(void **state)
{
    static const char *const domains[][2] = {
        {"ghcr.io",                     "ghcr.io"       },
        {"https://GHCR.io/",            "ghcr.io"       },
        {"https://index.docker.io/v1/", "docker.io"     },
        {"localhost:5000",              "localhost:5000"},
        {"a b",                         NULL            },
        {"",                            NULL            },
        {"https://",                    NULL            },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        _cleanup_free_ char *domain = reference_domain(domains[i][0]);

        if (!str_eq(domain, domains[i][1]))
            fail_msg("%s gives %s", domains[i][0], domain ? domain : "nothing");
    }
    assert_true(reference_is_loopback("localhost"));
    assert_true(reference_is_loopback("localhost:5000"));
    assert_true(reference_is_loopback("127.0.0.1:5000"));
    assert_true(reference_is_loopback("[::1]:5000"));
    assert_false(reference_is_loopback("localhost.example"));
    assert_string_equal(reference_registry_host("docker.io"), "registry-1.docker.io");
    assert_string_equal(reference_registry_host("ghcr.io"), "ghcr.io");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_domains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
