#include "base/str.h"
#include "net/url.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        const char *scheme, *host, *path;
        uint16_t port;
        bool is_tls;
    } good[] = {
        {"ws://example.org/api/ws",     "ws",    "example.org", "/api/ws", 80,   false},
        {"WSS://example.org",           "wss",   "example.org", "/",       443,  true },
        {"http://127.0.0.1:8001/a?b=c", "http",  "127.0.0.1",   "/a?b=c",  8001, false},
        {"https://[::1]:8443?x",        "https", "::1",         "/?x",     8443, true },
        {"http://[fe80::1]/",           "http",  "fe80::1",     "/",       80,   false},
    };
    static const char *const bad[] = {
        "",
        "example.org",
        "ftp://x/",
        "ws://",
        "ws:///path",
        "ws://:80/",
        "ws://a:0x/",
        "ws://a:70000/",
        "ws://a b/",
        "ws://a/\r\nx",
        "ws://user:secret@a/",
        "ws://a/#x",
        "ws://[::1",
        "ws://[::1]x/",
        "://a/",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        _cleanup_(url_done) struct url u = {0};

        assert_int_equal(url_parse(good[i].text, &u, NULL), 0);
        assert_string_equal(u.scheme, good[i].scheme);
        assert_string_equal(u.host, good[i].host);
        assert_string_equal(u.path, good[i].path);
        assert_int_equal(u.port, good[i].port);
        assert_int_equal(u.is_tls, good[i].is_tls);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct url u = {0};
        struct error err = ERROR_INIT;

        if (url_parse(bad[i], &u, &err) != -EINVAL)
            fail_msg("accepted %s", bad[i]);
        assert_int_equal(err.code, -EINVAL);
        assert_null(u.host);
    }
}

static void test_decode(void **state)
{
    static const struct {
        const char *text;
        bool is_query;
        const char *want; /* NULL: refused */
    } cases[] = {
        {"",       false, ""        },
        {"/a%20b", false, "/a b"    },
        {"a+b",    false, "a+b"     },
        {"a+b",    true,  "a b"     },
        {"%2f%2F", false, "//"      },
        {"%C3%A9", false, "\xc3\xa9"},
        {"%25%32", false, "%2"      },
        {"%",      false, NULL      },
        {"%2",     false, NULL      },
        {"a%zz",   false, NULL      },
        {"%2 ",    false, NULL      },
        {"%00",    false, NULL      },
        {"%0a",    false, NULL      },
        {"%7f",    false, NULL      },
        {"%ff",    false, NULL      },
        {"%C3",    false, NULL      },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *got = NULL;
        int r = url_decode(cases[i].text, strlen(cases[i].text), cases[i].is_query, &got);

        if (cases[i].want) {
            assert_string_equal(got, cases[i].want);
        } else {
            assert_int_equal(r, -EINVAL);
        }
    }
}

static void test_query(void **state)
{
    static const struct {
        const char *query, *name, *want;
    } cases[] = {
        {"a=1&b=2",       "b",   "2"    },
        {"a=1&b=2",       "a",   "1"    },
        {"a=1&a=2",       "a",   "1"    },
        {"a=1&b=2",       "c",   NULL   },
        {"ab=1",          "a",   NULL   },
        {"a",             "a",   ""     },
        {"a=",            "a",   ""     },
        {"",              "a",   NULL   },
        {"&&a=1&",        "a",   "1"    },
        {"a%20b=x%26y+z", "a b", "x&y z"},
        {"a=b=c",         "a",   "b=c"  },
        {"a=%zz",         "a",   NULL   },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *got = url_query_get(cases[i].query, cases[i].name);

        assert_true(str_eq(got, cases[i].want));
    }
    for (size_t n = 0; n < 4; n++) {
        static const char *const values[] = {"1", "", "3", NULL};
        _cleanup_free_ char *got = url_query_get_nth("a=1&b=2&a&%61=3", "a", n);

        assert_true(str_eq(got, values[n]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_query),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
