#include "base/alloc.h"
#include "base/base64.h"
#include "base/str.h"
#include "net/call_fixture.h"
#include "net/no_proxy.h"
#include "net/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The cases of golang.org/x/net/http/httpproxy, and others, with the results that Go gives. */
static void test_no_proxy(void **state)
{
    static const struct {
        const char *list, *url;
        bool is_direct;
    } cases[] = {
        {NULL,                               "http://a.test",             false},
        {"",                                 "http://a.test",             false},
        {" , ,",                             "http://a.test",             false},
        {"*",                                "http://a.test",             true },
        {"b.test, *",                        "http://192.0.2.1",          true },
        {"*.*",                              "http://a.test",             false},
        {"a.test",                           "http://a.test",             true },
        {"A.Test",                           "http://a.tesT",             true },
        {"a.test",                           "http://b.a.test",           true },
        {"a.test",                           "http://ba.test",            false},
        {"a.test",                           "http://a.test.b",           false},
        {" .a.test ",                        "http://b.a.test",           true },
        {".a.test",                          "http://a.test",             false},
        {"*.a.test",                         "http://b.c.a.test",         true },
        {"*.a.test",                         "http://a.test",             false},
        {".",                                "http://a.test",             false},
        {"a.test:80",                        "http://a.test",             true },
        {"a.test:443",                       "https://a.test",            true },
        {"a.test:443",                       "http://a.test",             false},
        {".a.test:8001",                     "https://b.a.test:8001",     true },
        {"192.0.2.1",                        "http://192.0.2.1",          true },
        {"192.0.2.1",                        "http://192.0.2.10",         false},
        {"192.0.2.1:80",                     "http://192.0.2.1",          true },
        {"192.0.2.1:81",                     "http://192.0.2.1",          false},
        {"192.0.2.0/24",                     "http://192.0.2.77",         true },
        {"192.0.2.0/25",                     "http://192.0.2.127",        true },
        {"192.0.2.0/25",                     "http://192.0.2.128",        false},
        {"192.0.2.77/24",                    "http://192.0.2.1",          true },
        {"192.0.2.1/32",                     "http://192.0.2.1",          true },
        {"0.0.0.0/0",                        "http://192.0.2.1",          true },
        {"0.0.0.0/0",                        "http://a.test",             false},
        {"0.0.0.0/0",                        "http://[2001:db8::1]",      false},
        {"192.0.2.0/33",                     "http://192.0.2.1",          false},
        {"192.0.2.0/",                       "http://192.0.2.0",          false},
        {"2001:db8::/32",                    "http://[2001:db8:1::2]",    true },
        {"2001:db8::/33",                    "http://[2001:db8:8000::2]", false},
        {"::/0",                             "http://192.0.2.1",          false},
        {"2001:db8::1",                      "http://[2001:DB8:0::1]",    true },
        {"[2001:db8::1]:80",                 "http://[2001:db8::1]",      true },
        {"[2001:db8::1]:81",                 "http://[2001:db8::1]",      false},
        {"::ffff:192.0.2.1",                 "http://192.0.2.1",          true },
        {"x.test,10.0.0.0/8,.y.test,a.test", "http://a.test",             true },
        {"a.test:http",                      "http://a.test",             false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct address to;

        assert_int_equal(address_parse(&to, cases[i].url, NULL), 0);
        if (no_proxy_matches(cases[i].list, &to) != cases[i].is_direct)
            fail_msg("NO_PROXY=%s, %s", cases[i].list, cases[i].url);
    }
}

static char *get_from_list(const char *name)
{
    static struct {
        const char *name;
        char value[16];
    } variables[] = {
        {"HTTPS_PROXY", ""             },
        {"https_proxy", "lower.test:1" },
        {"HTTP_PROXY",  "upper.test:1" },
        {"http_proxy",  "unused.test:1"},
        {"no_proxy",    "a,b"          },
    };

    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        if (str_eq(variables[i].name, name))
            return variables[i].value;
    }
    return NULL;
}

static void test_capitals_take_precedence_unless_they_are_empty(void **state)
{
    const struct proxy_settings s = proxy_settings_read(get_from_list);

    (void)state;
    assert_string_equal(s.https, "lower.test:1");
    assert_string_equal(s.http, "upper.test:1");
    assert_string_equal(s.none, "a,b");
}

static void test_choice(void **state)
{
    static const struct proxy_settings settings = {"http://tls.test:1", "plain.test", "b.test"};
    static const struct {
        const char *url, *proxy; /* NULL: direct */
    } cases[] = {
        {"https://a.test",     "tls.test:1"   },
        {"http://a.test",      "plain.test:80"},
        {"tcp://a.test:2375",  "plain.test:80"},
        {"https://b.test",     NULL           },
        {"https://localhost",  NULL           },
        {"http://127.8.9.1:1", NULL           },
        {"http://[::1]:1",     NULL           },
        {"unix:///run/s",      NULL           },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct proxy p = {0};
        struct address to;

        assert_int_equal(address_parse(&to, cases[i].url, NULL), 0);
        assert_int_equal(proxy_find(&settings, &to, &p, NULL), cases[i].proxy ? 1 : 0);
        if (cases[i].proxy)
            assert_string_equal(p.address.display, cases[i].proxy);
        proxy_done(&p);
        assert_int_equal(proxy_find(NULL, &to, &p, NULL), 0);
    }
}

static void test_urls(void **state)
{
    static const struct {
        const char *url, *display; /* NULL: refused */
        bool is_tls;
        const char *credentials;
    } cases[] = {
        {"http://p.test:3128",             "p.test:3128",        false, NULL      },
        {"HTTP://p.test:3128/",            "p.test:3128",        false, NULL      },
        {"p.test:3128",                    "p.test:3128",        false, NULL      },
        {"p.test",                         "p.test:80",          false, NULL      },
        {"https://p.test",                 "p.test:443",         true,  NULL      },
        {"http://[2001:db8::1]:3128",      "[2001:db8::1]:3128", false, NULL      },
        {"http://u:p@p.test",              "p.test:80",          false, "u:p"     },
        {"u:p@p.test:1",                   "p.test:1",           false, "u:p"     },
        {"http://u@p.test",                "p.test:80",          false, "u:"      },
        {"http://u%40x:p%3a%25%40@p.test", "p.test:80",          false, "u@x:p:%@"},
        {"http://u:p@ss@p.test",           "p.test:80",          false, "u:p@ss"  },
        {"socks5://p.test",                NULL,                 false, NULL      },
        {"ftp://p.test",                   NULL,                 false, NULL      },
        {"http://",                        NULL,                 false, NULL      },
        {"http://p.test:0",                NULL,                 false, NULL      },
        {"http://p.test:x",                NULL,                 false, NULL      },
        {"http://p.test/path",             NULL,                 false, NULL      },
        {"http://u%3ax:p@p.test",          NULL,                 false, NULL      },
        {"http://u%0a:p@p.test",           NULL,                 false, NULL      },
        {"http://u%zz:p@p.test",           NULL,                 false, NULL      },
    };
    struct address to;

    (void)state;
    assert_int_equal(address_parse(&to, "https://a.test", NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct proxy_settings s = {.https = cases[i].url};
        struct error err = ERROR_INIT;
        struct proxy p = {0};
        char *expected;

        if (!cases[i].display) {
            assert_int_equal(proxy_find(&s, &to, &p, &err), -EINVAL);
            assert_true(str_starts_with(err.msg, "HTTPS_PROXY: expected http://HOST:PORT"));
            assert_null(strstr(err.msg, "p.test"));
            continue;
        }
        assert_int_equal(proxy_find(&s, &to, &p, &err), 1);
        assert_string_equal(p.address.display, cases[i].display);
        assert_int_equal(p.address.is_tls, cases[i].is_tls);
        if (cases[i].credentials) {
            expected = base64_encode(cases[i].credentials, strlen(cases[i].credentials));
            assert_string_equal(p.credentials, expected);
            free(expected);
        } else {
            assert_null(p.credentials);
        }
        proxy_done(&p);
        assert_null(p.credentials);
    }
}

static void test_longest_credentials(void **state)
{
    char *text = xmalloc(2048);
    const struct proxy_settings s = {.http = text};
    struct address to;
    struct proxy p = {0};

    (void)state;
    assert_int_equal(address_parse(&to, "http://a.test", NULL), 0);
    (void)snprintf(text, 2048, "http://%0*d:%0*d@p.test", PROXY_CREDENTIALS_MAX, 1,
                   PROXY_CREDENTIALS_MAX, 2);
    assert_int_equal(proxy_find(&s, &to, &p, NULL), 1);
    proxy_done(&p);
    (void)snprintf(text, 2048, "http://u:%0*d@p.test", PROXY_CREDENTIALS_MAX + 1, 2);
    assert_int_equal(proxy_find(&s, &to, &p, NULL), -EINVAL);
    free(text);
}

/* A call through a proxy that follows a script. */
struct proxied {
    struct test_server *server;
    struct outcome o;
    char url[160];
};

static void proxied_run(
    struct proxied *p, const char *target, const char *user, const char *answer, unsigned flags)
{
    const struct proxy_settings s = {.https = p->url, .http = p->url};

    p->server = xcalloc(1, sizeof(*p->server));
    test_server_start(p->server, answer, strlen(answer), flags);
    (void)snprintf(p->url, sizeof(p->url), "%s://%s%s", flags & SERVE_TLS ? "https" : "http", user,
                   strstr(p->server->address, "127.0.0.1"));
    outcome_run(&p->o, target, &(struct http_call_options){.proxies = &s, .timeout_ms = 2000});
    test_server_stop(p->server); /* its thread has written the request */
}

static void proxied_done(struct proxied *p)
{
    outcome_done(&p->o);
    free(p->server);
}

/* The message of the call without the proxy's port, which the kernel chooses. */
static void assert_message(const struct proxied *p, const char *before, const char *behind)
{
    const char *message = p->o.message;
    const char *port = strstr(message, "127.0.0.1:");

    if (!str_starts_with(message, before) || !port || !str_ends_with(message, behind))
        fail_msg("\"%s\" instead of \"%s... %s\"", message, before, behind);
}

#define THROUGH  "connect through proxy 127.0.0.1:"
#define ANSWERED ": it answered CONNECT a.test:8001 with HTTP status "
#define NO_HTTP  ": it does not speak HTTP"
#define AUTH(kind) \
    "HTTP/1.1 407 Wait\r\nProxy-Authenticate: " kind "\r\nContent-Length: 2\r\n\r\nno"

static void test_refusals(void **state)
{
    static const struct {
        const char *user, *answer;
        int code;
        const char *behind;
    } cases[] = {
        {"",     "HTTP/1.1 403 Filtered\r\n\r\n",                -EACCES,       ANSWERED "403"},
        {"",     "HTTP/1.0 502 Bad Gateway\r\nX: y\r\n\r\nhtml", -EHOSTUNREACH, ANSWERED "502"},
        {"",     "HTTP/1.1 504 Late\r\n\r\n",                    -EHOSTUNREACH, ANSWERED "504"},
        {"",     "HTTP/1.1 301 Moved\r\n\r\n",                   -EPROTO,       ANSWERED "301"},
        {"",     "HTTP/1.1 100 Continue\r\n\r\n",                -EPROTO,       ANSWERED "100"},
        {"",     AUTH("Basic realm=\"x\""),                      -EACCES,
         ANSWERED "407, which asks for a user and password in HTTPS_PROXY"                    },
        {"u:p@", AUTH("Digest a\r\nProxy-Authenticate: basic"),  -EACCES,
         ANSWERED "407, which refuses the user and password of HTTPS_PROXY"                   },
        {"u:p@", AUTH("Negotiate"),                              -EACCES,
         ANSWERED
         "407, and asks for a kind of authentication that is not supported (only Basic is)"   },
        {"",     "220 mail.test ESMTP\r\n\r\n",                  -EPROTO,       NO_HTTP       },
        {"",     "HTTP/1.1 2000 OK\r\n\r\n",                     -EPROTO,       NO_HTTP       },
        {"",     "HTTP/1.1 200 OK\n\n",                          -EPROTO,       NO_HTTP       },
        {"",     "HTTP/1.1 200 OK\r\nX: y\r\n",                  -ECONNRESET,
         ": it closed the connection before its answer"                                       },
        {"",     "HTTP/1.1 200 OK\r\n\r\n\x16\x03\x01",          -EPROTO,
         ": it sent bytes of its own into the tunnel"                                         },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct proxied p;

        proxied_run(&p, "https://a.test:8001", cases[i].user, cases[i].answer, SERVE_TCP);
        assert_int_equal(p.o.code, cases[i].code);
        assert_message(&p, THROUGH, cases[i].behind);
        proxied_done(&p);
    }
}

static void test_endless_answer(void **state)
{
    char *answer = xmalloc(40000);
    struct proxied p;

    (void)state;
    memset(answer, 'x', 40000);
    memcpy(answer, "HTTP/1.1 200 OK\r\nX: ", strlen("HTTP/1.1 200 OK\r\nX: "));
    answer[39999] = '\0';
    proxied_run(&p, "http://a.test", "", answer, SERVE_TCP | SERVE_HANG);
    assert_int_equal(p.o.code, -EPROTO);
    assert_message(&p, THROUGH, ": the head of its answer is too long");
    proxied_done(&p);
    free(answer);
}

static void test_silence(void **state)
{
    struct proxied p;

    (void)state;
    proxied_run(&p, "http://a.test:8001", "", "", SERVE_TCP | SERVE_HANG);
    assert_int_equal(p.o.code, -ETIMEDOUT);
    assert_message(&p, THROUGH, " to a.test:8001: Connection timed out");
    assert_string_equal(p.server->request, "CONNECT a.test:8001 HTTP/1.1\r\nHost: a.test:8001\r\n"
                                           "User-Agent: test/1.0\r\n\r\n");
    proxied_done(&p);
}

static void test_nobody_listens(void **state)
{
    const struct proxy_settings s = {.http = "127.0.0.1:1"};
    struct outcome o;

    (void)state;
    outcome_run(&o, "http://a.test", &(struct http_call_options){.proxies = &s});
    assert_int_equal(o.code, -ECONNREFUSED);
    assert_string_equal(o.message, "connect proxy 127.0.0.1:1: Connection refused");
    outcome_done(&o);
}

/* Behind the answer the server of the test sends back the request, which is no HTTP answer. */
static void test_tunnel(void **state)
{
    static const char answer[] = "HTTP/1.1 299 Made\r\nTransfer-Encoding: chunked\r\n\r\n";
    static const unsigned flags[] = {SERVE_TCP, SERVE_TCP | SERVE_BYTEWISE, SERVE_TLS,
                                     SERVE_TLS | SERVE_BYTEWISE};

    (void)state;
    assert_int_equal(setenv("SSL_CERT_FILE", test_ca_file(), 1), 0);
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        struct proxied p;

        proxied_run(&p, "http://a.test", "me:secret@", answer, flags[i] | SERVE_ECHO);
        assert_int_equal(p.o.code, -EPROTO);
        assert_true(str_starts_with(p.o.message, "answer of a.test:80: "));
        assert_string_equal(p.server->request, "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n"
                                               "User-Agent: test/1.0\r\n"
                                               "Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n");
        proxied_done(&p);
    }
    assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
}

/* The pins and the CA file of the server say nothing about a proxy. */
static void test_proxy_of_unknown_authority(void **state)
{
    struct proxied p;

    (void)state;
    proxied_run(&p, "http://a.test", "me:secret@", "", SERVE_TLS);
    assert_int_equal(p.o.code, -EPROTO);
    assert_true(str_starts_with(p.o.message, "TLS with proxy 127.0.0.1:"));
    assert_non_null(strstr(p.o.message, "self-signed certificate"));
    proxied_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_proxy),
        cmocka_unit_test(test_capitals_take_precedence_unless_they_are_empty),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_longest_credentials),
        TEST(test_refusals),
        TEST(test_endless_answer),
        TEST(test_silence),
        TEST(test_nobody_listens),
        TEST(test_tunnel),
        TEST(test_proxy_of_unknown_authority),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
