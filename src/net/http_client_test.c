#include "base/alloc.h"
#include "base/buf.h"
#include "net/call_fixture.h"
#include "net/http_call_format.h"
#include "net/http_client.h"

#include <errno.h>
#include <string.h>

/* Answers, each played whole and byte by byte, buffered and streamed */

struct answer {
    const char *label;
    const char *text;
    int code;
    int status;
    const char *body;
    const char *method;
};

static const struct answer answers[] = {
    {"length",               "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello", 0,
     200,                                                                                                                       "hello",        NULL  },
    {"more than the length",
     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 500 Oops\r\n\r\n",                            0,           200, "hello",
     NULL                                                                                                                                             },
    {"chunked",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n",          0,           200, "hello, world", NULL  },
    {"chunked, odd case",
     "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n00A;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
     0,                                                                                                                    200, "0123456789",   NULL  },
    {"until the end",        "HTTP/1.0 200 OK\r\n\r\nall of it",                                              0,           200, "all of it",    NULL  },
    {"bare newlines",        "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",                                      0,           200, "hi",           NULL  },
    {"no reason",            "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi",                                   0,           200, "hi",           NULL  },
    {"empty",                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",                                  0,           200, "",             NULL  },
    {"204",                  "HTTP/1.1 204 No Content\r\n\r\n",                                               0,           204, "",             NULL  },
    {"304",                  "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",                       0,           304, "",             NULL  },
    {"HEAD",                 "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",                                 0,           200, "",             "HEAD"},
    {"redirect",             "HTTP/1.1 301 Moved\r\nLocation: /y\r\nContent-Length: 2\r\n\r\nno",             0,           301, "no",
     NULL                                                                                                                                             },
    {"404",                  "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone",                       0,           404, "gone",         NULL  },
    {"500 chunked",          "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n4\r\noops\r\n0\r\n\r\n",
     0,                                                                                                                    500, "oops",         NULL  },
    {"100 first",            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",   0,
     200,                                                                                                                       "hi",           NULL  },
    {"nothing",              "",                                                                              -ECONNRESET, 0,   "",             NULL  },
    {"half a head",          "HTTP/1.1 200 OK\r\nContent-Le",                                                 -ECONNRESET, 0,   "",             NULL  },
    {"cut by length",        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",                            -ECONNRESET, 200,
     "hello",                                                                                                                                   NULL  },
    {"cut in a chunk",       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
     -ECONNRESET,                                                                                                          200, "hello",        NULL  },
    {"cut after a chunk",    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
     -ECONNRESET,                                                                                                          200, "hello",        NULL  },
    {"cut before trailers",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",                              -ECONNRESET, 200,
     "hello",                                                                                                                                   NULL  },
    {"garbage",              "SSH-2.0-OpenSSH_9.2\r\n",                                                       -EPROTO,     0,   "",             NULL  },
    {"bad status",           "HTTP/1.1 2x0 OK\r\n\r\n",                                                       -EPROTO,     0,   "",             NULL  },
    {"bad length",           "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",                            -EPROTO,     0,   "",             NULL  },
    {"two lengths",          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
     -EPROTO,                                                                                                              0,   "",             NULL  },
    {"bad chunk",            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",                   -EPROTO,     200, "",
     NULL                                                                                                                                             },
    {"gzip",                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nzz\r\n",                      -EPROTO,     0,   "",             NULL  },
    {"101",                  "HTTP/1.1 101 Switching Protocols\r\n\r\n",                                      -EPROTO,     0,   "",             NULL  },
    {"header without colon", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",                                           -EPROTO,     0,   "",             NULL  },
    {"folded header",        "HTTP/1.1 200 OK\r\nX: y\r\n z: w\r\n\r\n",                                      -EPROTO,     0,   "",             NULL  },
};

static void play(const struct answer *a, unsigned flags, bool is_streaming)
{
    struct http_call_options with = {.method = a->method,
                                     .on_data = is_streaming ? outcome_on_data : NULL};
    struct test_server *server = xcalloc(1, sizeof(*server));
    struct outcome o;
    const struct buf *got;

    test_server_start(server, a->text, strlen(a->text), flags);
    outcome_run(&o, server->address, &with);
    got = is_streaming && a->status / 100 == 2 ? &o.stream : &o.body;
    if (o.code != a->code || o.status != a->status || strcmp(buf_str(got), a->body) != 0) {
        fail_msg("%s: code %d status %d body \"%s\" message \"%s\"", a->label, o.code, o.status,
                 buf_str(got), o.message);
    }
    assert_int_equal(o.code == 0, o.message[0] == '\0');
    outcome_done(&o);
    test_server_stop(server);
    free(server);
}

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        play(&answers[i], 0, false);
        play(&answers[i], 0, true);
        play(&answers[i], SERVE_BYTEWISE, false);
        play(&answers[i], SERVE_BYTEWISE, true);
        play(&answers[i], SERVE_TCP, false);
        play(&answers[i], SERVE_TLS, false);
        play(&answers[i], SERVE_TLS, true);
    }
}

/* An answer with a length or chunks is complete before the peer closes. */
static void test_keeps_nobody_waiting(void **state)
{
    static const size_t complete[] = {0, 2, 5, 7, 8, 9, 10, 11, 12, 13, 14};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(complete); i++) {
        play(&answers[complete[i]], SERVE_HANG, false);
        play(&answers[complete[i]], SERVE_HANG | SERVE_TLS, true);
    }
}

static void test_known_headers(void **state)
{
    struct served s;

    (void)state;
    served_run(&s, HELLO, strlen(HELLO), 0, &(struct http_call_options){0});
    assert_string_equal(s.o.content_type, "application/json; charset=utf-8");
    assert_string_equal(s.o.set_cookie, "a=b; Path=/");
    served_done(&s);
}

/* Uploads */

static void test_upload(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nX-Other: a\r\nx-stat: abc\r\n"
                                 "Content-Length: 2\r\n\r\nok";
    struct test_server *server = xcalloc(1, sizeof(*server));
    struct outcome o;
    const char *body;

    (void)state;
    test_server_start(server, answer, strlen(answer), 0);
    outcome_start(&o, server->address,
                  &(struct http_call_options){.method = "PUT",
                                              .max_upload = 40,
                                              .timeout_ms = 5000,
                                              .wanted = "X-Stat",
                                              .content_type = "application/x-tar"});
    assert_int_equal(http_call_write(o.call, "hello", 5), 0);
    assert_int_equal(http_call_write(o.call, "", 0), 0);
    assert_int_equal(http_call_write(o.call, ", world", 7), 0);
    assert_int_equal(http_call_end_upload(o.call), 0);
    assert_int_equal(http_call_write(o.call, "x", 1), -EPIPE);
    loop_run(test_loop->loop);
    assert_int_equal(o.status, 200);
    assert_string_equal(o.wanted, "abc");
    assert_string_equal(buf_str(&o.body), "ok");
    body = strstr(server->request, "\r\n\r\n");
    assert_non_null(body);
    assert_string_equal(body + 4, "5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n");
    assert_non_null(strstr(server->request, "Content-Type: application/x-tar\r\n"));
    assert_null(strstr(server->request, "Content-Length"));
    outcome_done(&o);
    test_server_stop(server);
    free(server);
}

/* A peer that reads nothing bounds the queue, and its silence ends the call. */
static void test_upload_that_is_not_read(void **state)
{
    struct test_server *server = xcalloc(1, sizeof(*server));
    _cleanup_free_ char *piece = xcalloc(1, 65536);
    struct outcome o;
    size_t n = 0;
    int r;

    (void)state;
    test_server_start(server, "", 0, SERVE_DEAF | SERVE_HANG);
    outcome_start(&o, server->address,
                  &(struct http_call_options){
                      .method = "PUT", .max_upload = (size_t)1 << 20, .timeout_ms = 50});
    while ((r = http_call_write(o.call, piece, 65536)) == 0 && n++ < 1000)
        ;
    assert_int_equal(r, -ENOBUFS);
    assert_true(http_call_queued(o.call) <= ((size_t)1 << 20) + 1024);
    loop_run(test_loop->loop);
    assert_int_equal(o.code, -ETIMEDOUT);
    outcome_done(&o);
    test_server_stop(server);
    free(server);
}

/* The owner writes no more when the answer has begun, so the rest of the answer has a deadline. */
static void test_upload_whose_answer_stops(void **state)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\nhalf";
    struct test_server *server = xcalloc(1, sizeof(*server));
    struct outcome o;

    (void)state;
    test_server_start(server, answer, strlen(answer), SERVE_DEAF | SERVE_HANG);
    outcome_start(&o, server->address,
                  &(struct http_call_options){
                      .method = "PUT", .max_upload = 4096, .max_body = 4096, .timeout_ms = 50});
    assert_int_equal(http_call_write(o.call, "x", 1), 0);
    loop_run(test_loop->loop);
    assert_int_equal(o.code, -ETIMEDOUT);
    outcome_done(&o);
    test_server_stop(server);
    free(server);
}

/* While the call is connecting, a body of max_upload fits as one piece, with its end. */
static void test_upload_of_one_piece(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    struct test_server *server = xcalloc(1, sizeof(*server));
    char piece[64];
    struct outcome o;

    (void)state;
    memset(piece, 'x', sizeof(piece));
    test_server_start(server, answer, strlen(answer), SERVE_TCP);
    outcome_start(&o, server->address,
                  &(struct http_call_options){
                      .method = "PUT", .max_upload = sizeof(piece), .timeout_ms = 5000});
    assert_int_equal(http_call_write(o.call, piece, sizeof(piece)), 0);
    assert_int_equal(http_call_end_upload(o.call), 0);
    loop_run(test_loop->loop);
    assert_int_equal(o.status, 200);
    outcome_done(&o);
    test_server_stop(server);
    free(server);
}

/* Requests */

static void test_get_request(void **state)
{
    const struct http_header headers[] = {
        {"X-One", "1"     },
        {"X-Two", "b \t c"},
    };
    struct served s;

    (void)state;
    served_run(&s, HELLO, strlen(HELLO), 0,
               &(struct http_call_options){.path = "/v1.41/info?a=b%20c",
                                           .headers = headers,
                                           .n_headers = ARRAY_LEN(headers)});
    assert_string_equal(s.server->request,
                        "GET /v1.41/info?a=b%20c HTTP/1.1\r\nHost: localhost\r\nUser-Agent: "
                        "test/1.0\r\nX-One: 1\r\nX-Two: b \t c\r\nConnection: close\r\n\r\n");
    served_done(&s);
}

static void test_no_user_agent(void **state)
{
    const struct address address = {.header = "localhost"};
    const struct http_call_options o = {.method = "GET", .path = "/"};
    struct buf text;

    (void)state;
    assert_int_equal(http_call_format(&text, &address, &o, "close", NULL, NULL), 0);
    assert_string_equal(buf_str(&text),
                        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    buf_done(&text);
    assert_int_equal(http_call_format(&text, &address, &o, "close", "a\r\nX: b", NULL), -EINVAL);
}

static void test_post_request(void **state)
{
    struct served s;

    (void)state;
    served_run(&s, HELLO, strlen(HELLO), SERVE_TCP,
               &(struct http_call_options){.method = "POST", .body = "{\"a\":1}", .body_size = 7});
    assert_non_null(strstr(s.server->request, "POST /x HTTP/1.1\r\nHost: 127.0.0.1:"));
    assert_non_null(strstr(s.server->request, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(s.server->request, "\r\nContent-Length: 7\r\n"));
    assert_non_null(strstr(s.server->request, "\r\n\r\n{\"a\":1}"));
    served_done(&s);
    served_run(&s, HELLO, strlen(HELLO), 0, &(struct http_call_options){.method = "POST"});
    assert_non_null(strstr(s.server->request, "\r\nContent-Length: 0\r\n"));
    assert_null(strstr(s.server->request, "Content-Type"));
    served_done(&s);
}

static void test_large_request_body(void **state)
{
    size_t size = 50000;
    char *body = xmalloc(size);
    struct served s;

    (void)state;
    memset(body, 'q', size);
    served_run(&s, HELLO, strlen(HELLO), SERVE_TLS,
               &(struct http_call_options){
                   .method = "PUT", .body = body, .body_size = size, .content_type = "text/plain"});
    assert_int_equal(s.o.code, 0);
    assert_true(s.server->request_size > size);
    assert_int_equal(s.server->request[s.server->request_size - 1], 'q');
    served_done(&s);
    free(body);
}

/* An answer that comes while the request is still being sent, from a peer that then closes. */
static void test_early_refusal(void **state)
{
    static const char answer[] = "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig";
    size_t size = 8000000;
    char *body = xcalloc(1, size);
    struct served s;

    (void)state;
    served_run(&s, answer, strlen(answer), SERVE_DEAF,
               &(struct http_call_options){.method = "POST", .body = body, .body_size = size});
    assert_int_equal(s.o.code, 0);
    assert_int_equal(s.o.status, 413);
    assert_string_equal(buf_str(&s.o.body), "big");
    served_done(&s);
    free(body);
}

static void test_refuses_bad_options(void **state)
{
    static const struct http_header newline = {"X", "a\r\nEvil: 1"};
    static const struct http_header space = {"X Y", "a"};
    const struct http_call_options bad[] = {
        {.address = "unix:///s", .method = "GET",            .path = "x"                 },
        {.address = "unix:///s", .method = "GET",            .path = "/a b"              },
        {.address = "unix:///s", .method = "GET",            .path = "/a\r\n"            },
        {.address = "unix:///s", .method = "GET",            .path = "/\xc3\xa9"         },
        {.address = "unix:///s", .method = "G T",            .path = "/"                 },
        {.address = "unix:///s", .method = "",               .path = "/"                 },
        {.address = "unix:///s", .method = "GET",            .path = "/",                  .headers = &newline, .n_headers = 1},
        {.address = "unix:///s",        .method = "GET",                                  .path = "/",                                         .headers = &space, .n_headers = 1},
        {.address = "unix:///s",           .method = "POST",.path = "/",.content_type = "a\nb"},
        {.address = "unix://s", .method = "GET", .path = "/"                               },
        {.address = "ssh://host",                      .method = "GET",                            .path = "/"                                        },
        {.address = "tcp://host",                      .method = "GET",                          .path = "/"},
        {.address = "http://h:99999",                      .method = "GET",                          .path = "/"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct http_call_options options = bad[i];
        struct http_call *call = NULL;
        struct error err = ERROR_INIT;

        options.done = outcome_on_done;
        assert_int_equal(http_call_start(&call, test_loop->loop, &options, &err), -EINVAL);
        assert_null(call);
        assert_int_not_equal(err.msg[0], '\0');
    }
}

/* Deadlines */

static void test_timeouts(void **state)
{
    static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    struct served s;

    (void)state;
    served_run(&s, "", 0, SERVE_HANG, &(struct http_call_options){.timeout_ms = 30});
    assert_int_equal(s.o.code, -ETIMEDOUT);
    assert_int_equal(s.o.status, 0);
    assert_non_null(strstr(s.o.message, "no answer"));
    served_done(&s);

    served_run(&s, half, strlen(half), SERVE_HANG, &(struct http_call_options){.timeout_ms = 30});
    assert_int_equal(s.o.code, -ETIMEDOUT);
    assert_int_equal(s.o.status, 200);
    served_done(&s);

    served_run(&s, half, strlen(half), SERVE_HANG,
               &(struct http_call_options){.timeout_ms = 30, .on_data = outcome_on_data});
    assert_int_equal(s.o.code, -ETIMEDOUT);
    assert_string_equal(buf_str(&s.o.stream), "hello");
    served_done(&s);

    served_run(&s, "", 0, SERVE_SLOW_TLS, &(struct http_call_options){.connect_timeout_ms = 30});
    assert_int_equal(s.o.code, -ETIMEDOUT);
    assert_non_null(strstr(s.o.message, "connect 127.0.0.1:"));
    served_done(&s);
}

/* Limits */

static void test_max_body(void **state)
{
    static const char *const texts[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
        "HTTP/1.1 200 OK\r\nContent-Length: 9000000000000\r\n\r\nhello world",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello world",
    };
    struct served s;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        served_run(&s, texts[i], strlen(texts[i]), SERVE_HANG,
                   &(struct http_call_options){.max_body = 10});
        assert_int_equal(s.o.code, -EMSGSIZE);
        assert_int_equal(s.o.status, 200);
        served_done(&s);
    }
    served_run(&s, texts[0], strlen(texts[0]), 0, &(struct http_call_options){.max_body = 11});
    assert_int_equal(s.o.code, 0);
    served_done(&s);
    /* A stream has no maximum, but the body of a refusal has. */
    served_run(&s, texts[0], strlen(texts[0]), 0,
               &(struct http_call_options){.max_body = 1, .on_data = outcome_on_data});
    assert_int_equal(s.o.code, 0);
    assert_string_equal(buf_str(&s.o.stream), "hello world");
    served_done(&s);
}

static void test_huge_head(void **state)
{
    static const struct {
        size_t size;
        int code;
    } cases[] = {
        {60000,   0      },
        {70000,   -EPROTO},
        {3000000, -EPROTO},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf head = BUF_INIT(SIZE_MAX / 2);
        char *value = xcalloc(1, cases[i].size + 1);
        struct served s;

        memset(value, 'v', cases[i].size);
        assert_int_equal(
            buf_printf(&head, "HTTP/1.1 200 OK\r\nX: %s\r\nContent-Length: 2\r\n\r\nhi", value), 0);
        served_run(&s, head.data, head.size, 0, &(struct http_call_options){0});
        assert_int_equal(s.o.code, cases[i].code);
        served_done(&s);
        buf_done(&head);
        free(value);
    }
}

/* Cancellation */

static void on_nothing(void *owner, const struct http_result *r)
{
    (void)owner;
    (void)r;
    fail_msg("done of a cancelled call");
}

static void on_stop(struct loop_timer *t)
{
    (void)t;
    loop_stop(test_loop->loop);
}

static void on_data_cancel(void *owner, const void *data, size_t size)
{
    struct http_call **call = owner;

    (void)data;
    (void)size;
    http_call_cancel(*call);
    loop_stop(test_loop->loop);
}

static void test_cancel(void **state)
{
    static const char *const addresses[] = {NULL, "unix:///nonexistent", "tcp://127.0.0.1:1",
                                            "http://localhost:1"};
    struct test_server *server = xcalloc(1, sizeof(*server));
    struct loop_timer end = {0};
    struct http_call *call;
    struct error err = ERROR_INIT;

    (void)state;
    test_server_start(server, HELLO, strlen(HELLO), SERVE_HANG);
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        struct http_call_options o = {
            .address = addresses[i] ? addresses[i] : server->address,
            .method = "GET",
            .path = "/",
            .done = on_nothing,
        };

        assert_int_equal(http_call_start(&call, test_loop->loop, &o, &err), 0);
        http_call_cancel(call);
        loop_timer_start(test_loop->loop, &end, 5, on_stop);
        loop_run(test_loop->loop);
    }
    test_server_stop(server);
    free(server);
}

static void test_cancel_inside_data(void **state)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n";
    static const unsigned flavours[] = {0, SERVE_TLS, SERVE_HANG};
    struct error err = ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(flavours); i++) {
        struct test_server *server = xcalloc(1, sizeof(*server));
        struct http_call *call;

        test_server_start(server, answer, strlen(answer), flavours[i]);
        assert_int_equal(http_call_start(&call, test_loop->loop,
                                         &(struct http_call_options){.address = server->address,
                                                                     .method = "GET",
                                                                     .path = "/",
                                                                     .on_data = on_data_cancel,
                                                                     .done = on_nothing,
                                                                     .owner = &call},
                                         &err),
                         0);
        loop_run(test_loop->loop);
        test_server_stop(server);
        free(server);
    }
}

/* Many at once; each done starts the next */

static void test_parallel(void **state)
{
    struct test_server *server = xcalloc(1, sizeof(*server));
    struct outcome o[64];

    (void)state;
    test_server_start(server, HELLO, strlen(HELLO), 0);
    for (size_t i = 0; i < ARRAY_LEN(o); i++)
        outcome_start(&o[i], server->address, &(struct http_call_options){0});
    loop_run(test_loop->loop);
    for (size_t i = 0; i < ARRAY_LEN(o); i++) {
        assert_int_equal(o[i].code, 0);
        assert_string_equal(buf_str(&o[i].body), "hello");
        outcome_done(&o[i]);
    }
    test_server_stop(server);
    free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answers),
        TEST(test_keeps_nobody_waiting),
        TEST(test_known_headers),
        TEST(test_get_request),
        TEST(test_no_user_agent),
        TEST(test_post_request),
        TEST(test_large_request_body),
        TEST(test_early_refusal),
        TEST(test_refuses_bad_options),
        TEST(test_timeouts),
        TEST(test_upload),
        TEST(test_upload_that_is_not_read),
        TEST(test_upload_whose_answer_stops),
        TEST(test_upload_of_one_piece),
        TEST(test_max_body),
        TEST(test_huge_head),
        TEST(test_cancel),
        TEST(test_cancel_inside_data),
        TEST(test_parallel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
