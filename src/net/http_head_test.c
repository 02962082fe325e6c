#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "net/http_head.h"
#include "net/http_request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HOST "Host: a\r\n"

/* Bytes come in pieces, and each piece is searched for the end of the head, as the server does. */
static int parse(struct http_head *h, const char *text, size_t piece)
{
    size_t length = strlen(text);
    size_t scanned = 0;
    const char *why = "";

    for (size_t n = piece; n < length + piece; n += piece) {
        int r = http_head_find(text, n < length ? n : length, &scanned);

        if (r < 0)
            return r;
        if (r > 0)
            return http_head_parse(h, text, (size_t)r, &why);
    }
    return -EAGAIN;
}

static const struct {
    const char *text;
    int want;
} verdict_cases[] = {
    {"GET / HTTP/1.1\r\n" HOST "\r\n",                                                               0       },
    {"GET / HTTP/1.0\r\n\r\n",                                                                       0       },
    {"GET http://a/b HTTP/1.1\r\n" HOST "\r\n",                                                      0       },
    {"DELETE /x HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",                                   0       },
    {"GET / HTTP/1.1\r\n" HOST,                                                                      -EAGAIN },
    {"GET / HTTP/1.1\n" HOST "\r\n",                                                                 -EBADMSG},
    {"GET / HTTP/1.1\r\n" HOST "\n",                                                                 -EBADMSG},
    {"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",                                                         400     },
    {"GET / HTTP/1.1\r\n\r\n",                                                                       400     },
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n",                                                          400     },
    {"GET / HTTP/2.0\r\n" HOST "\r\n",                                                               400     },
    {"GET /\r\n" HOST "\r\n",                                                                        400     },
    {"GET  / HTTP/1.1\r\n" HOST "\r\n",                                                              400     },
    {"GET /a b HTTP/1.1\r\n" HOST "\r\n",                                                            400     },
    {"G(T / HTTP/1.1\r\n" HOST "\r\n",                                                               400     },
    {" / HTTP/1.1\r\n" HOST "\r\n",                                                                  400     },
    {"get / HTTP/1.1\r\n" HOST "\r\n",                                                               501     },
    {"BREW / HTTP/1.1\r\n" HOST "\r\n",                                                              501     },
    {"TRACE / HTTP/1.1\r\n" HOST "\r\n",                                                             405     },
    {"CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n",                                                         405     },
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n",                                                           400     },
    {"GET a HTTP/1.1\r\n" HOST "\r\n",                                                               400     },
    {"GET http://A/b HTTP/1.1\r\n" HOST "\r\n",                                                      0       },
    {"GET https://a/b?c HTTP/1.1\r\n" HOST "\r\n",                                                   0       },
    {"GET http://evil/b HTTP/1.1\r\n" HOST "\r\n",                                                   400     },
    {"GET https://evil/b HTTP/1.1\r\n" HOST "\r\n",                                                  400     },
    {"GET http://a:81/b HTTP/1.1\r\n" HOST "\r\n",                                                   400     },
    {"GET http://a@evil/b HTTP/1.1\r\n" HOST "\r\n",                                                 400     },
    {"GET http:///b HTTP/1.1\r\n" HOST "\r\n",                                                       400     },
    {"GET http://a/b HTTP/1.0\r\n\r\n",                                                              400     },
    {"GET http://a?b/c HTTP/1.1\r\n" HOST "\r\n",                                                    400     },
    {"GET ftp://a/b HTTP/1.1\r\n" HOST "\r\n",                                                       400     },
    {"GET http://a HTTP/1.1\r\n" HOST "\r\n",                                                        400     },
    {"GET /#x HTTP/1.1\r\n" HOST "\r\n",                                                             400     },
    {"GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n",                                                       400     },
    {"GET /%zz HTTP/1.1\r\n" HOST "\r\n",                                                            400     },
    {"GET /%00 HTTP/1.1\r\n" HOST "\r\n",                                                            400     },
    {"GET /%0a HTTP/1.1\r\n" HOST "\r\n",                                                            400     },
    {"GET /a/../b HTTP/1.1\r\n" HOST "\r\n",                                                         400     },
    {"GET /a/.. HTTP/1.1\r\n" HOST "\r\n",                                                           400     },
    {"GET /%2e%2E/b HTTP/1.1\r\n" HOST "\r\n",                                                       400     },
    {"GET /./b HTTP/1.1\r\n" HOST "\r\n",                                                            400     },
    {"GET //b HTTP/1.1\r\n" HOST "\r\n",                                                             400     },
    {"GET /a%2f/b HTTP/1.1\r\n" HOST "\r\n",                                                         400     },
    {"GET /a\\b HTTP/1.1\r\n" HOST "\r\n",                                                           400     },
    {"GET /a%5cb HTTP/1.1\r\n" HOST "\r\n",                                                          400     },
    {"GET /a%5C..%5Cb HTTP/1.1\r\n" HOST "\r\n",                                                     400     },
    {"GET /a/...b/.c HTTP/1.1\r\n" HOST "\r\n",                                                      0       },
    {"GET /?a=%zz HTTP/1.1\r\n" HOST "\r\n",                                                         400     },
    {"GET /?a=%00 HTTP/1.1\r\n" HOST "\r\n",                                                         400     },
    {"GET / HTTP/1.1\r\n" HOST "Nonsense\r\n\r\n",                                                   400     },
    {"GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n",                                                      400     },
    {"GET / HTTP/1.1\r\n" HOST " folded\r\n\r\n",                                                    400     },
    {"GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n",                                                        400     },
    {"GET / HTTP/1.1\r\n" HOST "A: \x01\r\n\r\n",                                                    400     },
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",                                0       },
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked \r\n\r\n",                               0       },
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\tchunked\r\n\r\n",                               0       },
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n",                               400     },
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \x0b"
     "chunked\r\n\r\n",                                                                         400     },
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n",                            400     },
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n",                               501     },
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n",                          501     },
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n",                       501     },
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n",                      501     },
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n",                               501     },
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n",                                        501     },
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",           400     },
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",           400     },
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
     400                                                                                                     },
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n",
     400                                                                                                     },
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",                                        400     },
    {"GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n"
     "Content-Length: 1\r\n\r\n",                                                               400     },
    {"GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n"
     "Transfer-Encoding: chunked\r\n\r\n",                                                      400     },
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\x0c\r\n\r\n",                                     400     },
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n",                                        400     },
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n",                                        400     },
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\n",                                      400     },
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n\r\n",                                       400     },
    {"POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n",                                           400     },
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n",                      400     },
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",                    400     },
    {"\r\n\r\n",                                                                                     400     },
};

static void test_verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(verdict_cases); i++) {
        for (size_t piece = 1; piece < 4096; piece += 4094) {
            struct http_head h = {0};
            int got = parse(&h, verdict_cases[i].text, piece);

            if (got != verdict_cases[i].want)
                fail_msg("%s gave %d, not %d", verdict_cases[i].text, got, verdict_cases[i].want);
            http_head_done(&h);
        }
    }
}

static void test_nul(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";
    size_t scanned = 0;

    (void)state;
    assert_int_equal(http_head_find(text, sizeof(text) - 1, &scanned), -EBADMSG);
}

static void test_too_large(void **state)
{
    _cleanup_free_ char *text = xmalloc(HTTP_HEAD_MAX + 1);
    size_t scanned = 0;

    (void)state;
    memset(text, 'a', HTTP_HEAD_MAX + 1);
    assert_int_equal(http_head_find(text, HTTP_HEAD_MAX, &scanned), 0);
    assert_int_equal(http_head_find(text, HTTP_HEAD_MAX + 1, &scanned), -EMSGSIZE);
}

static void test_too_many_headers(void **state)
{
    struct buf text = BUF_INIT(65536);
    struct http_head h = {0};

    (void)state;
    assert_int_equal(buf_append_str(&text, "GET / HTTP/1.1\r\nHost: a\r\n"), 0);
    for (int i = 0; i < HTTP_HEADERS_MAX - 1; i++)
        assert_int_equal(buf_printf(&text, "H%d: x\r\n", i), 0);
    assert_int_equal(buf_append_str(&text, "\r\n"), 0);
    assert_int_equal(parse(&h, text.data, 4096), 0);
    http_head_done(&h);

    text.size -= 2;
    assert_int_equal(buf_append_str(&text, "One: more\r\n\r\n"), 0);
    assert_int_equal(parse(&h, text.data, 4096), 431);
    http_head_done(&h);
    buf_done(&text);
}

static void test_escaped_slashes(void **state)
{
    static const struct {
        const char *target, *path;
        int at; /* -1: none */
    } cases[] = {
        {"/a/b?%2f",               "/a/b",     -1},
        {"/a%2Fb/c",               "/a/b/c",   2 },
        {"/%20/b%2f",              "/ /b/",    4 },
        {"http://a/%41/b%2fc%2Fd", "/A/b/c/d", 4 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *text = xasprintf("GET %s HTTP/1.1\r\n" HOST "\r\n", cases[i].target);
        struct http_head h = {0};

        assert_int_equal(parse(&h, text, 4096), 0);
        assert_string_equal(h.path, cases[i].path);
        assert_ptr_equal(h.escaped_slash, cases[i].at < 0 ? NULL : h.path + cases[i].at);
        http_head_done(&h);
    }
}

static void test_content(void **state)
{
    struct http_head h = {0};
    struct http_request r = {.head = &h};
    _cleanup_free_ char *sid = NULL, *theme = NULL, *absent = NULL, *tail = NULL;
    _cleanup_free_ char *second = NULL, *third = NULL, *accept = NULL;

    (void)state;
    assert_int_equal(parse(&h,
                           "POST /a%20b/c?x=1&y=%2F HTTP/1.1\r\n"
                           "host: example.org:8001\r\n"
                           "COOKIE: theme=dark%20one\r\n"
                           "Cookie: sid=ab=c; x=;asid=1; sid=2\r\n"
                           "Cookie: sid=3\r\n"
                           "Accept: text/csv\r\n"
                           "Accept: application/json\r\n"
                           "X-Empty:   \r\n"
                           "Content-Length: 12\r\n"
                           "Expect: 100-continue\r\n"
                           "Connection: foo, Close\r\n\r\n",
                           4096),
                     0);
    assert_string_equal(h.method, "POST");
    assert_string_equal(h.path, "/a b/c");
    assert_string_equal(h.query, "x=1&y=%2F");
    assert_int_equal(h.body_size, 12);
    assert_true(h.has_expect);
    assert_false(h.is_keep_alive);
    assert_false(h.is_websocket);
    assert_string_equal(http_request_header(&r, "Host"), "example.org:8001");
    assert_string_equal(http_request_header(&r, "x-empty"), "");
    assert_null(http_request_header(&r, "origin"));
    sid = http_request_cookie(&r, "sid");
    theme = http_request_cookie(&r, "theme");
    absent = http_request_cookie(&r, "si");
    tail = http_request_cookie(&r, "x");
    assert_string_equal(sid, "ab=c");
    assert_string_equal(theme, "dark one");
    assert_null(absent);
    assert_string_equal(tail, "");
    second = http_request_cookie_at(&r, "sid", 1);
    third = http_request_cookie_at(&r, "sid", 2);
    assert_string_equal(second, "2");
    assert_string_equal(third, "3");
    assert_null(http_request_cookie_at(&r, "sid", 3));
    accept = http_request_list(&r, "accept");
    assert_string_equal(accept, "text/csv, application/json");
    assert_null(http_request_list(&r, "x-absent"));
    http_head_done(&h);
}

static void test_connection(void **state)
{
    static const struct {
        const char *text;
        bool is_keep_alive, is_websocket;
    } cases[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n",                                                          true,  false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",                                     false, false},
        {"GET / HTTP/1.0\r\n\r\n",                                                                  false, false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",                                        true,  false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n",
         true,                                                                                             true },
        {"GET / HTTP/1.1\r\n" HOST "Connection: keep-alive\r\nConnection: Upgrade\r\n"
         "Upgrade: WebSocket\r\n\r\n",                                                     true,  true },
        {"GET / HTTP/1.1\r\n" HOST "Connection: foo\r\nX: y\r\nConnection: close\r\n\r\n",          false,
         false                                                                                                  },
        {"GET / HTTP/1.0\r\nConnection: foo\r\nConnection: keep-alive\r\n\r\n",                     true,  false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",                   true,  false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: upgrades\r\nUpgrade: websocket\r\n\r\n",            true,
         false                                                                                                  },
        {"GET / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n\r\n",                                    true,  false},
        {"POST / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",            true,
         false                                                                                                  },
        {"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",                     false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_head h = {0};

        assert_int_equal(parse(&h, cases[i].text, 4096), 0);
        assert_int_equal(h.is_keep_alive, cases[i].is_keep_alive);
        assert_int_equal(h.is_websocket, cases[i].is_websocket);
        http_head_done(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_too_large),       cmocka_unit_test(test_too_many_headers),
        cmocka_unit_test(test_escaped_slashes), cmocka_unit_test(test_content),
        cmocka_unit_test(test_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
