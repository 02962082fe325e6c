#include "base/alloc.h"
#include "base/str.h"
#include "server/download/join_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define PIN "sha256:00000000000000000000000000000000000000000000000000000000000000ff"

static void test_the_url_is_the_one_of_the_client_where_others_reach_it(void **state)
{
    static const struct {
        struct join_server server;
        const char *url; /* NULL: none */
    } cases[] = {
        {{.host = "dm.example:8443", .listen_host = "0.0.0.0", .is_tls = true},
         "https://dm.example:8443"                                                                                },
        {{.host = "[2001:db8::5]:8443", .listen_host = "::", .is_tls = true},
         "https://[2001:db8::5]:8443"                                                                             },
        {{.host = "localhost:81", .listen_host = "127.0.0.1"},                               "http://localhost:81"},
        {{.host = "[::1]:81", .listen_host = "::1"},                                         "http://[::1]:81"    },
        {{.host = "127.0.0.1:81", .listen_host = "10.0.0.5", .port = 81, .is_tls = true},
         "https://10.0.0.5:81"                                                                                    },
        {{.host = "localhost:81", .listen_host = "2001:db8::5", .port = 81, .is_tls = true},
         "https://[2001:db8::5]:81"                                                                               },
        {{.host = "dm:8443", .listen_host = "0.0.0.0", .is_tls = true, .base_path = "/x"},
         "https://dm:8443/x"                                                                                      },
        {{.host = "a;reboot",
          .listen_host = "10.0.0.5",
          .public_url = "https://dm.example/x",
          .base_path = "/y"},
         "https://dm.example/x"                                                                                   },
 /* not on loopback without TLS, which a name alone does not prove */
        {{.host = "10.0.0.5:81", .listen_host = "10.0.0.5", .port = 81},                     NULL                 },
        {{.host = "localhost.evil:81", .listen_host = "127.0.0.1"},                          NULL                 },
        {{.host = "127.evil:81", .listen_host = "127.0.0.1"},                                NULL                 },
        {{.host = "127.0.0.1:81", .listen_host = "10.0.0.5", .port = 81},                    NULL                 },
 /* a shell would run it */
        {{.host = "a;reboot", .listen_host = "0.0.0.0", .is_tls = true},                     NULL                 },
        {{.host = "$(reboot)", .listen_host = "0.0.0.0", .is_tls = true},                    NULL                 },
        {{.host = "a'b", .listen_host = "0.0.0.0", .is_tls = true},                          NULL                 },
        {{.host = "a b", .listen_host = "0.0.0.0", .is_tls = true},                          NULL                 },
        {{.host = "-o/etc/passwd", .listen_host = "0.0.0.0", .is_tls = true},                NULL                 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *url = join_url(&cases[i].server);
        _cleanup_free_ char *line = join_line(&cases[i].server, "TOKEN");

        if (cases[i].url) {
            assert_non_null(url);
            assert_string_equal(url, cases[i].url);
            assert_non_null(strstr(line, url));
        } else {
            assert_null(url);
            assert_null(line);
        }
    }
}

static void test_an_address_of_all_interfaces_becomes_one_that_others_reach(void **state)
{
    const struct join_server server = {
        .host = "127.0.0.1:8443", .listen_host = "0.0.0.0", .port = 8443, .is_tls = true};
    _cleanup_free_ char *url = join_url(&server);

    (void)state;
    assert_non_null(url);
    assert_null(strstr(url, "0.0.0.0"));
    assert_true(str_ends_with(url, ":8443"));
}

static void test_the_line_has_the_key_of_the_server(void **state)
{
    const struct join_server server = {
        .host = "dm:8443", .listen_host = "0.0.0.0", .is_tls = true, .fingerprint = PIN};
    const struct join_server public = {.host = "dm", .listen_host = "0.0.0.0", .is_tls = true};
    _cleanup_free_ char *pinned = join_line(&server, "TOKEN"), *other = join_line(&public, "TOKEN");
    const struct join_server named = {.public_url = "https://dm:8443", .fingerprint = PIN};
    const struct join_server proxied = {
        .public_url = "https://dm", .has_proxies = true, .fingerprint = PIN};
    _cleanup_free_ char *by_name = join_line(&named, "TOKEN"),
                        *by_proxy = join_line(&proxied, "TOKEN");
    _cleanup_free_ char *invalid = join_curl_pin("sha256:00"), *none = join_curl_pin(NULL);

    (void)state;
    assert_string_equal(
        pinned, "curl -sSk --pinnedpubkey 'sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8=' "
                "-H 'Authorization: Bearer TOKEN' https://dm:8443/install.sh | sh");
    assert_string_equal(other,
                        "curl -sS -H 'Authorization: Bearer TOKEN' https://dm/install.sh | sh");
    assert_string_equal(by_name, pinned);
    assert_string_equal(by_proxy, other);
    assert_null(join_fingerprint(&proxied));
    assert_null(invalid);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_url_is_the_one_of_the_client_where_others_reach_it),
        cmocka_unit_test(test_an_address_of_all_interfaces_becomes_one_that_others_reach),
        cmocka_unit_test(test_the_line_has_the_key_of_the_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
