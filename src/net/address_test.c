#include "net/address.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_good(void **state)
{
    static const struct {
        const char *text;
        bool is_unix, is_tls;
        unsigned port;
        const char *host, *display, *header;
    } cases[] = {
        {"unix:///var/run/docker.sock", true,  false, 0,    "/var/run/docker.sock",
         "/var/run/docker.sock",                                                                     "localhost"    },
        {"tcp://10.0.0.1:2375",         false, false, 2375, "10.0.0.1",             "10.0.0.1:2375", "10.0.0.1:2375"},
        {"tcp://[::1]:2375",            false, false, 2375, "::1",                  "[::1]:2375",    "[::1]:2375"   },
        {"tcp://[::1]:2375/",           false, false, 2375, "::1",                  "[::1]:2375",    "[::1]:2375"   },
        {"http://h",                    false, false, 80,   "h",                    "h:80",          "h"            },
        {"http://h:80/",                false, false, 80,   "h",                    "h:80",          "h"            },
        {"http://h:8001/",              false, false, 8001, "h",                    "h:8001",        "h:8001"       },
        {"https://h.example",           false, true,  443,  "h.example",            "h.example:443", "h.example"    },
        {"https://[fe80::1]",           false, true,  443,  "fe80::1",              "[fe80::1]:443", "[fe80::1]"    },
        {"https://[::1]:8443",          false, true,  8443, "::1",                  "[::1]:8443",    "[::1]:8443"   },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = ERROR_INIT;
        struct address a;

        assert_int_equal(address_parse(&a, cases[i].text, &err), 0);
        assert_int_equal(a.is_unix, cases[i].is_unix);
        assert_int_equal(a.is_tls, cases[i].is_tls);
        assert_int_equal(a.port, cases[i].port);
        assert_string_equal(a.host, cases[i].host);
        assert_string_equal(a.display, cases[i].display);
        assert_string_equal(a.header, cases[i].header);
    }
}

static void test_bad(void **state)
{
    static const char *const cases[] = {
        "",
        "unix://",
        "unix://relative",
        "/var/run/docker.sock",
        "ftp://h:1",
        "tcp://",
        "tcp://h",
        "tcp://h:",
        "tcp://h:0",
        "tcp://h:65536",
        "tcp://h:1x",
        "tcp://:80",
        "tcp://::1:80",
        "http://",
        "http:///",
        "http://h/path",
        "http://h?q",
        "http://u@h",
        "http://h h",
        "http://[]",
        "http://[::1",
        "http://[::1]x",
        "http://[::1]x:80",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = ERROR_INIT;
        struct address a;

        if (address_parse(&a, cases[i], &err) != -EINVAL)
            fail_msg("accepted \"%s\"", cases[i]);
        assert_int_not_equal(err.msg[0], '\0');
    }
}

static void test_long_path(void **state)
{
    static const struct {
        int length;
        int result;
    } cases[] = {
        {107, 0      },
        {108, -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[200];
        struct address a;

        (void)snprintf(text, sizeof(text), "unix:///%0*d", cases[i].length - 1, 0);
        assert_int_equal(address_parse(&a, text, NULL), cases[i].result);
    }
}

static void test_loopback(void **state)
{
    static const char *const local[] = {"127.0.0.1", "127.255.0.9",      "::1",       "localhost",
                                        "LocalHost", "::ffff:127.0.0.1", "localhost."};
    static const char *const other[] = {"",    "127.example.com", "128.0.0.1", "0.0.0.0",
                                        "::",  "::ffff:10.0.0.1", "fe80::1",   "127.1",
                                        "127", "localhost.other", "::2",       "xlocalhost"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(local); i++) {
        if (!address_is_loopback(local[i]))
            fail_msg("%s is loopback", local[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(other); i++) {
        if (address_is_loopback(other[i]))
            fail_msg("%s is not loopback", other[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_long_path),
        cmocka_unit_test(test_loopback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
