#include "base/alloc.h"
#include "base/str.h"
#include "net/http_head.h"
#include "server/auth/front.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PROXY "127.0.0.1"

struct fixture {
    struct http_head head;
    struct front_request q;
};

static void apply(struct fixture *x, const struct front *f, const char *peer, const char *fields)
{
    _cleanup_free_ char *text = xasprintf("GET /x/y HTTP/1.1\r\nHost: h:80\r\n%s\r\n", fields);
    const char *why = "";
    struct http_request r;

    assert_int_equal(http_head_parse(&x->head, text, strlen(text), &why), 0);
    r = (struct http_request){.path = x->head.path, .peer = peer, .head = &x->head};
    front_apply(f, &r, &x->q);
}

static void test_address(void **state)
{
    static const struct {
        const char *peer, *fields, *want;
    } cases[] = {
        {PROXY,      "",                                                            PROXY        },
        {"9.9.9.9",  "X-Forwarded-For: 1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n",          "9.9.9.9"    },
        {PROXY,      "X-Forwarded-For: 1.2.3.4\r\n",                                "1.2.3.4"    },
        {PROXY,      "X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n",                       "1.2.3.4"    },
        {PROXY,      "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.7\r\n",             "1.2.3.4"    },
        {PROXY,      "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.2.3.4\r\n",    "1.2.3.4"    },
        {PROXY,      "X-Forwarded-For: 10.0.0.8, 10.0.0.7\r\n",                     "10.0.0.8"   },
        {PROXY,      "X-Forwarded-For: 1.2.3.4:5678\r\n",                           "1.2.3.4"    },
        {PROXY,      "X-Forwarded-For: [2001:db8::1]:56\r\n",                       "2001:db8::1"},
        {PROXY,      "X-Forwarded-For: 2001:db8::1\r\n",                            "2001:db8::1"},
        {PROXY,      "X-Forwarded-For: 1.2.3.4, nonsense\r\n",                      PROXY        },
        {PROXY,      "X-Forwarded-For: 1.2.3.4, nonsense, 10.0.0.7\r\n",            "10.0.0.7"   },
        {PROXY,      "X-Forwarded-For: 1.2.3.4,\r\n",                               PROXY        },
        {PROXY,      "X-Forwarded-For: \r\n",                                       PROXY        },
        {PROXY,      "X-Real-IP: 1.2.3.4\r\n",                                      "1.2.3.4"    },
        {PROXY,      "X-Real-IP: 6.6.6.6\r\nX-Forwarded-For: 1.2.3.4\r\n",          "1.2.3.4"    },
        {PROXY,      "Forwarded: for=6.6.6.6, for=1.2.3.4;proto=https\r\n",         "1.2.3.4"    },
        {PROXY,      "Forwarded: For=\"[2001:db8::1]:80\"; by=x, for=10.0.0.7\r\n", "2001:db8::1"},
        {PROXY,      "Forwarded: for=unknown\r\n",                                  PROXY        },
        {"10.1.2.3", "X-Forwarded-For: 1.2.3.4\r\n",                                "1.2.3.4"    },
    };
    struct front f = {.base_path = ""};

    (void)state;
    assert_int_equal(networks_parse("127.0.0.1,10.0.0.0/8", &f.trusted, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture x = {0};

        apply(&x, &f, cases[i].peer, cases[i].fields);
        if (!str_eq(x.q.r.peer, cases[i].want))
            fail_msg("%s gave %s, not %s", cases[i].fields, x.q.r.peer, cases[i].want);
        http_head_done(&x.head);
    }
    f.trusted.n = 0;
    struct fixture x = {0};
    apply(&x, &f, PROXY, "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n");
    assert_string_equal(x.q.r.peer, PROXY);
    assert_false(x.q.r.is_tls || x.q.is_forwarded);
    http_head_done(&x.head);
}

static void test_origin(void **state)
{
    static const struct {
        const char *peer, *fields;
        bool is_foreign;
    } cases[] = {
        {PROXY,     "",                                                                             false},
        {PROXY,     "Origin: http://h\r\n",                                                         false},
        {PROXY,     "Origin: https://h\r\n",                                                        true },
        {PROXY,     "Origin: https://h:80\r\n",                                                     true },
        {PROXY,     "Origin: null\r\n",                                                             true },
        {PROXY,     "Origin: http://h.evil\r\n",                                                    true },
        {PROXY,     "Origin: http://h@evil\r\n",                                                    true },
        {PROXY,     "Origin: http://h:8080\r\n",                                                    true },
        {PROXY,     "Origin: https://h:80\r\nX-Forwarded-Proto: https\r\n",                         false},
        {PROXY,     "Origin: https://p\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: p:443\r\n",
         false                                                                                           },
        {PROXY,     "Origin: https://p\r\nForwarded: proto=https;host=\"p\"\r\n",                   false},
        {"9.9.9.9", "Origin: https://p\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: p\r\n",
         true                                                                                            },
        {"9.9.9.9", "Origin: https://ui.example\r\n",                                               false},
        {"9.9.9.9", "Origin: http://ui.example\r\n",                                                true },
        {"9.9.9.9", "Origin: https://ui.example:8443\r\n",                                          true },
    };
    struct front f = {.origins = "https://other, https://ui.example", .base_path = ""};

    (void)state;
    assert_int_equal(networks_parse(PROXY, &f.trusted, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture x = {0};

        apply(&x, &f, cases[i].peer, cases[i].fields);
        if (front_is_foreign_origin(&f, &x.q) != cases[i].is_foreign)
            fail_msg("%s", cases[i].fields);
        http_head_done(&x.head);
    }
}

static void test_public_url(void **state)
{
    static const struct {
        const char *url, *peer, *fields;
        bool is_tls, is_foreign;
    } cases[] = {
        {"https://h",        "9.9.9.9", "Origin: https://h\r\n",                           true,  false},
        {"https://h:8443/x", "9.9.9.9", "Origin: https://h:8443\r\n",                      true,  false},
        {"https://h:8443",   "9.9.9.9", "Origin: https://h\r\n",                           true,  true },
        {"https://h",        "9.9.9.9", "Origin: http://h\r\n",                            true,  true },
        {"https://h",        PROXY,     "X-Forwarded-Proto: http\r\nOrigin: http://h\r\n", false, false},
        {"https://other",    "9.9.9.9", "Origin: https://other\r\n",                       false, false},
        {"https://other",    PROXY,     "X-Forwarded-Host: other\r\n",                     true,  false},
        {"https://other",    "9.9.9.9", "X-Forwarded-Host: other\r\n",                     false, false},
        {"http://h",         "9.9.9.9", "Origin: http://h\r\n",                            false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct front f = {.public_url = cases[i].url};
        struct fixture x = {0};

        assert_int_equal(networks_parse(PROXY, &f.trusted, NULL), 0);
        apply(&x, &f, cases[i].peer, cases[i].fields);
        if (x.q.r.is_tls != cases[i].is_tls ||
            front_is_foreign_origin(&f, &x.q) != cases[i].is_foreign)
            fail_msg("%s with %s", cases[i].url, cases[i].fields);
        http_head_done(&x.head);
    }
}

static void test_local_requests(void **state)
{
    static const struct {
        const char *peer, *host, *fields;
        bool is_local;
    } cases[] = {
        {PROXY,      "127.0.0.1:8001", "",                                true },
        {PROXY,      "localhost",      "",                                true },
        {"::1",      "[::1]:8001",     "",                                true },
        {"10.0.0.5", "10.0.0.5:8001",  "",                                true },
        {"10.0.0.6", "10.0.0.5:8001",  "",                                false},
        {"10.0.0.6", "127.0.0.1",      "",                                false},
        {PROXY,      "dm.example",     "",                                false},
        {PROXY,      "127.0.0.1",      "X-Forwarded-For: 127.0.0.1\r\n",  false},
        {PROXY,      "127.0.0.1",      "X-Forwarded-For: 9.9.9.9\r\n",    false},
        {PROXY,      "127.0.0.1",      "Forwarded: for=unknown\r\n",      false},
        {PROXY,      "127.0.0.1",      "X-Real-IP: x\r\n",                false},
        {PROXY,      "127.0.0.1",      "Via: 1.1 x\r\n",                  false},
        {PROXY,      "127.0.0.1",      "X-Forwarded-Proto: https\r\n",    false},
        {PROXY,      "127.0.0.1",      "X-Forwarded-Host: localhost\r\n", false},
    };
    struct front f = {.base_path = NULL};

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
        size_t n = i / 2;
        struct fixture x = {0};

        assert_int_equal(networks_parse(i % 2 ? PROXY : NULL, &f.trusted, NULL), 0);
        apply(&x, &f, cases[n].peer, cases[n].fields);
        x.q.r.host = cases[n].host;
        if (front_is_local(&x.q, "10.0.0.5") != cases[n].is_local)
            fail_msg("%s to %s: %s", cases[n].peer, cases[n].host, cases[n].fields);
        http_head_done(&x.head);
    }
}

static bool is_own_name(const void *arg, const char *name)
{
    return str_eq(arg, name);
}

static void test_unknown_hosts(void **state)
{
    static const struct {
        const char *host;
        bool is_unknown;
    } cases[] = {
        {"dm.example",       false},
        {"DM.Example:8443",  false},
        {"ui.example",       false},
        {"b.example:444",    false},
        {"own.name:8001",    false},
        {"localhost",        false},
        {"LOCALHOST:8001",   false},
        {"127.0.0.1:8001",   false},
        {"10.0.0.5",         false},
        {"[2001:db8::1]:80", false},
        {"evil.example",     true },
        {"dm.example.evil",  true },
        {"x.dm.example",     true },
        {"localhost.evil",   true },
        {"127.0.0.1.evil",   true },
        {"evil@dm.example",  true },
        {"dm.example/x",     true },
        {"",                 true },
        {"evil:80:80",       true },
    };
    static const struct front f = {.public_url = "https://dm.example/x",
                                   .origins = "https://ui.example, http://b.example:81"};
    static const struct front none = {.base_path = "/x"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct front_request q = {.r.host = cases[i].host};

        if (front_is_unknown_host(&f, &q, is_own_name, "own.name") != cases[i].is_unknown)
            fail_msg("%s", cases[i].host);
        assert_false(front_is_unknown_host(&none, &q, NULL, NULL));
    }
    assert_false(front_is_unknown_host(&f, &(struct front_request){0}, NULL, NULL));
    assert_true(
        front_is_unknown_host(&f, &(struct front_request){.r.host = "own.name"}, NULL, NULL));
}

static void test_base_path(void **state)
{
    static const struct {
        const char *base, *want;
    } cases[] = {
        {NULL,     "/x/y"},
        {"",       "/x/y"},
        {"/x",     "/y"  },
        {"/x/y",   "/"   },
        {"/x/y/z", "/x/y"},
        {"/x/",    "/x/y"},
        {"/",      "/x/y"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct front f = {.base_path = cases[i].base};
        struct fixture x = {0};

        apply(&x, &f, PROXY, "");
        assert_string_equal(x.q.r.path, cases[i].want);
        http_head_done(&x.head);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address),       cmocka_unit_test(test_origin),
        cmocka_unit_test(test_public_url),    cmocka_unit_test(test_local_requests),
        cmocka_unit_test(test_unknown_hosts), cmocka_unit_test(test_base_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
