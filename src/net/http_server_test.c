#include "base/alloc.h"
#include "base/str.h"
#include "net/http_server.h"
#include "net/script_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define BIG_SIZE       ((size_t)10 * 1024 * 1024)
#define HEAD_TIMEOUT   150
#define ANSWER_TIMEOUT 100
#define STALL_TIMEOUT  500
#define GET(path)      "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_LAST(path) "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define UPGRADE(path)                                                                   \
    "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

struct fixture {
    struct loop *loop;
    struct http_server *server;
    struct loop_timer timer;
    uint64_t waiting; /* request to be answered by the timer */
    bool was_gone;
    unsigned n_requests, n_accepted, n_late;
    struct http_crowd crowd; /* as reported last */
    char crowd_peer[64];
    struct peer {
        struct ws *ws;
    } peers[4]; /* accepted, and not yet closed */
};

static void answer(struct fixture *f, uint64_t id, const char *text)
{
    struct http_response r = {.status = 200, .body = text, .body_size = strlen(text)};

    f->was_gone = !http_respond(f->server, id, &r);
}

static void on_timer(struct loop_timer *t)
{
    struct fixture *f = CONTAINER_OF(t, struct fixture, timer);

    answer(f, f->waiting, "\"late\"");
}

static void on_head(void *owner, const struct http_request *r, struct http_limits *limits)
{
    (void)owner;
    if (str_eq(r->path, "/small"))
        limits->max_body = 10;
    if (str_eq(r->path, "/never") || str_eq(r->path, "/later"))
        limits->timeout_ms = ANSWER_TIMEOUT;
}

static void on_late(void *owner, const struct http_request *r, uint64_t timeout_ms)
{
    struct fixture *f = owner;

    assert_string_equal(r->method, "GET");
    assert_string_equal(r->path, "/never");
    assert_int_equal(timeout_ms, ANSWER_TIMEOUT);
    f->n_late++;
}

static void answer_big(struct fixture *f, uint64_t id)
{
    static const char *const headers[] = {"Cache-Control", "max-age=1", "X-Bad", "a\r\nb", NULL};
    _cleanup_free_ char *body = xmalloc(BIG_SIZE);
    struct http_response r = {200, "text/plain", body, BIG_SIZE, headers};

    memset(body, 'x', BIG_SIZE);
    assert_true(http_respond(f->server, id, &r));
}

static void answer_mirror(struct fixture *f, const struct http_request *r)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "[%s|%s|%s|%.*s|%s]", r->method, r->path, r->query,
                   (int)r->body_size, r->body, r->peer);
    answer(f, r->id, text);
    assert_false(http_respond(f->server, r->id, &(struct http_response){.status = 200}));
}

static void on_request(void *owner, const struct http_request *r)
{
    struct fixture *f = owner;

    f->n_requests++;
    if (str_eq(r->path, "/never") || str_eq(r->path, "/later")) {
        f->waiting = r->id;
        loop_timer_start(f->loop, &f->timer, str_eq(r->path, "/later") ? 20 : 200, on_timer);
    } else if (str_eq(r->path, "/big")) {
        answer_big(f, r->id);
    } else if (str_eq(r->path, "/trusted")) {
        http_trust(f->server, r->id);
        answer(f, r->id, "");
        loop_stop(f->loop);
    } else if (str_eq(r->path, "/none")) {
        assert_true(http_respond(f->server, r->id, &(struct http_response){.status = 204}));
    } else {
        answer_mirror(f, r);
    }
}

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    struct peer *peer = owner;

    assert_false(is_binary);
    assert_int_equal(ws_send_text(peer->ws, data, size), 0);
}

static void on_close(void *owner, const struct ws_close *why)
{
    struct peer *peer = owner;

    (void)why;
    peer->ws = NULL;
}

static void *on_accept(void *owner, struct ws *ws, void *context)
{
    struct fixture *f = owner;
    struct peer *peer = &f->peers[f->n_accepted++];

    assert_ptr_equal(context, f);
    peer->ws = ws;
    return peer;
}

static int on_upgrade(void *owner, const struct http_request *r, struct ws_accept *ret)
{
    static const struct ws_handler handler = {.on_message = on_message, .on_close = on_close};

    if (!str_eq(r->path, "/ws"))
        return 403;
    *ret = (struct ws_accept){
        .limits = {.max_message = 1000, .max_queue = 1000},
        .handler = &handler,
        .on_accept = on_accept,
        .owner = owner,
        .context = owner,
    };
    return 0;
}

static void format_error(int status, const char *detail, struct buf *body)
{
    assert_int_equal(buf_printf(body, "{\"detail\":\"%d %s\"}", status, detail), 0);
}

static const struct http_handler handler = {
    .on_head = on_head,
    .on_request = on_request,
    .on_late = on_late,
    .on_upgrade = on_upgrade,
    .format_error = format_error,
};

static void on_crowd(void *owner, const struct http_crowd *crowd)
{
    struct fixture *f = owner;

    f->crowd = *crowd;
    str_copy(f->crowd_peer, sizeof(f->crowd_peer), crowd->peer);
}

static void open_server_with(struct fixture *f, const struct http_server_options *some)
{
    struct http_server_options o = *some;
    struct error err = ERROR_INIT;

    o.host = "127.0.0.1";
    o.head_timeout_ms = HEAD_TIMEOUT;
    o.handler = &handler;
    o.on_crowd = on_crowd;
    o.owner = f;
    assert_int_equal(http_server_open(&f->server, f->loop, &o, &err), 0);
    assert_int_not_equal(http_server_port(f->server), 0);
}

static void open_server(struct fixture *f, size_t max_connections)
{
    open_server_with(f, &(struct http_server_options){.max_connections = max_connections});
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    assert_int_equal(loop_new(&f->loop, &(struct loop_options){0}, NULL), 0);
    open_server(f, 100);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    loop_timer_stop(&f->timer);
    http_server_close(f->server);
    for (size_t i = 0; i < ARRAY_LEN(f->peers); i++)
        ws_free(f->peers[i].ws);
    loop_free(f->loop);
    free(f);
    return 0;
}

static void test_answers(void **state)
{
    static const struct {
        const char *send;
        const char *status;
        const char *body; /* NULL: none */
    } cases[] = {
        {GET_LAST("/a%20b?x=1&y=%2f"),                                                                "200 OK",                "[GET|/a b|x=1&y=%2f||127.0.0.1]"                      },
        {"\r\n" GET_LAST("/"),                                                                        "200 OK",                "[GET|/|||127.0.0.1]"                                  },
        {"DELETE /x HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",                                        "200 OK",
         "[DELETE|/x||abc|127.0.0.1]"                                                                                                                                                 },
        {"PATCH /x HTTP/1.0\r\nContent-Length: 0\r\n\r\n",                                            "200 OK",                "[PATCH|/x|||127.0.0.1]"                               },
        {"HEAD /x HTTP/1.0\r\n\r\n",                                                                  "200 OK",                NULL                                                   },
        {"GET /none HTTP/1.0\r\n\r\n",                                                                "204 No Content",        NULL                                                   },
        {"POST /small HTTP/1.0\r\nContent-Length: 10\r\n\r\n0123456789",                              "200 OK",
         "[POST|/small||0123456789|127.0.0.1]"                                                                                                                                        },
        {"POST /small HTTP/1.0\r\nContent-Length: 11\r\n\r\n",                                        "413 Content Too Large",
         "{\"detail\":\"413 the body is too large\"}"                                                                                                                                 },
        {"POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
         "3\r\nabc\r\n1;x\r\nd\r\n0\r\nA: b\r\n\r\n",                                        "200 OK",                "[POST|/x||abcd|127.0.0.1]"                            },
        {"POST /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
         "a\r\n0123456789\r\n0\r\n\r\n",                                                     "200 OK",                "[POST|/small||0123456789|127.0.0.1]"                  },
        {"POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
         "a\r\n0123456789\r\n1\r\n",                                                         "413 Content Too Large", "{\"detail\":\"413 the body is too large\"}"           },
        {"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n",
         "400 Bad Request",                                                                                                    "{\"detail\":\"400 malformed chunked body\"}"          },
        {"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
         "408 Request Timeout",                                                                                                "{\"detail\":\"408 the request did not come in time\"}"},
        {"POST /x HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\na",                    "200 OK",
         "[POST|/x||a|127.0.0.1]"                                                                                                                                                     },
        {GET("/../x"),                                                                                "400 Bad Request",       "{\"detail\":\"400 malformed path\"}"                  },
        {"\x16\x03\x01\n",                                                                            "400 Bad Request",       "{\"detail\":\"400 malformed request\"}"               },
        {"BREW / HTTP/1.1\r\n\r\n",                                                                   "501 Not Implemented",   "{\"detail\":\"501 unknown method\"}"                  },
        {GET_LAST("/later"),                                                                          "200 OK",                "\"late\""                                             },
        {GET_LAST("/never"),                                                                          "504 Gateway Timeout",   "{\"detail\":\"504 no answer in time\"}"               },
        {GET_LAST("/ws"),                                                                             "200 OK",                "[GET|/ws|||127.0.0.1]"                                },
        {UPGRADE("/x"),                                                                               "403 Forbidden",         "{\"detail\":\"403 Forbidden\"}"                       },
        {"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTE=\r\n\r\n", "400 Bad Request",       "{\"detail\":\"400 malformed WebSocket handshake\"}"   },
        {"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
         "400 Bad Request",                                                                                                    "{\"detail\":\"400 malformed WebSocket handshake\"}"   },
        {"GET / HTTP/1.1\r\nHost: a\r\n",                                                             "408 Request Timeout",
         "{\"detail\":\"408 the request did not come in time\"}"                                                                                                                      },
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",                               "408 Request Timeout",
         "{\"detail\":\"408 the request did not come in time\"}"                                                                                                                      },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t chunk = 0; chunk < 2; chunk++) {
            struct script s = {
                .port = http_server_port(f->server), .send = cases[i].send, .chunk = chunk};
            const char *body;

            f->n_late = 0;
            script_run(f->loop, &s);
            assert_int_equal(f->n_late, strstr(cases[i].status, "504") ? 1 : 0);
            if (s.is_timeout || !strstr(buf_str(&s.reply), cases[i].status))
                fail_msg("%s: %s", cases[i].send, buf_str(&s.reply));
            body = strstr(s.reply.data, "\r\n\r\n") + 4;
            assert_string_equal(body, cases[i].body ? cases[i].body : "");
            assert_non_null(strstr(s.reply.data, "\r\nX-Content-Type-Options: nosniff\r\n"));
            assert_non_null(strstr(s.reply.data, "\r\nCache-Control: no-store\r\n"));
            assert_non_null(strstr(s.reply.data, "\r\nConnection: close\r\n"));
            assert_null(strstr(s.reply.data, "Server:"));
            buf_done(&s.reply);
        }
    }
}

/* One connection, several requests: one after the other, and all at once. */
static void test_keep_alive(void **state)
{
    static const char many[] = GET(
        "/1") "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" GET("/later")
        GET("/none") "POST /2c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "2\r\nhi\r\n0\r\n\r\n"
                     "HEAD /3 HTTP/1.1\r\nHost: a\r\n\r\n" GET_LAST("/4");
    struct fixture *f = *state;

    for (size_t chunk = 0; chunk < 2; chunk++) {
        struct script s = {.port = http_server_port(f->server), .send = many, .chunk = chunk};
        static const char *const want[] = {"[GET|/1|||",     "[POST|/2||abc|", "\"late\"",
                                           "204 No Content", "[POST|/2c||hi|", "200 OK",
                                           "[GET|/4|||"};
        const char *at;

        f->n_requests = 0;
        script_run(f->loop, &s);
        assert_false(s.is_timeout);
        assert_int_equal(f->n_requests, 7);
        at = buf_str(&s.reply);
        for (size_t i = 0; i < ARRAY_LEN(want); i++) {
            at = strstr(at, want[i]);
            assert_non_null(at);
            at++;
        }
        assert_null(strstr(s.reply.data, "[HEAD"));
        buf_done(&s.reply);
    }
}

static void test_expect(void **state)
{
    struct fixture *f = *state;
    struct script s = {
        .port = http_server_port(f->server),
        .send = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
                "Connection: close\r\n\r\n",
        .until = "100 Continue\r\n\r\n",
        .then = "abc",
    };

    script_run(f->loop, &s);
    assert_non_null(strstr(buf_str(&s.reply), "[POST|/x||abc|"));
    buf_done(&s.reply);
}

/* A client of HTTP/1.0 does not know "100 Continue" and would take it for the response. */
static void test_expect_old(void **state)
{
    struct fixture *f = *state;
    struct script s = {
        .port = http_server_port(f->server),
        .send = "POST /x HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
    };

    script_run(f->loop, &s);
    assert_null(strstr(buf_str(&s.reply), "100 Continue"));
    assert_non_null(strstr(buf_str(&s.reply), "408 "));
    buf_done(&s.reply);
}

static void test_big(void **state)
{
    struct fixture *f = *state;
    struct script s = {.port = http_server_port(f->server), .send = GET_LAST("/big")};
    const char *body;

    script_run(f->loop, &s);
    assert_false(s.is_timeout);
    body = strstr(buf_str(&s.reply), "\r\n\r\n") + 4;
    assert_int_equal(s.reply.size - (size_t)(body - s.reply.data), BIG_SIZE);
    assert_non_null(strstr(s.reply.data, "Content-Length: 10485760\r\n"));
    assert_non_null(strstr(s.reply.data, "Content-Type: text/plain\r\n"));
    assert_non_null(strstr(s.reply.data, "Cache-Control: max-age=1\r\n"));
    assert_null(strstr(s.reply.data, "no-store"));
    assert_null(strstr(s.reply.data, "X-Bad"));
    buf_done(&s.reply);
}

/* A client that asks for much and reads nothing does not delay the others. */
static void test_slow_reader(void **state)
{
    struct fixture *f = *state;
    _cleanup_close_ int lazy = script_connect(http_server_port(f->server));
    struct script s = {.port = http_server_port(f->server), .send = GET_LAST("/x")};

    script_send(lazy, GET("/big"), strlen(GET("/big")), 0);
    for (int i = 0; i < 3; i++) {
        script_run(f->loop, &s);
        assert_non_null(strstr(buf_str(&s.reply), "[GET|/x"));
        buf_done(&s.reply);
    }
    assert_int_equal(f->n_requests, 4);
}

/* The client takes a piece now and then, so that it never stalls, and is cut all the same. */
static void test_trickling_reader(void **state)
{
    struct fixture *f = *state;
    struct script s = {
        .send = GET("/big"), .receive_buffer = 65536, .n_trickle = 3 * STALL_TIMEOUT};

    http_server_close(f->server);
    open_server_with(f, &(struct http_server_options){
                            .max_connections = 10,
                            .stall_timeout_ms = STALL_TIMEOUT,
                            .least_rate = BIG_SIZE / STALL_TIMEOUT,
                        });
    s.port = http_server_port(f->server);
    script_run(f->loop, &s);
    assert_false(s.is_timeout);
    assert_true(s.reply.size < BIG_SIZE);
    buf_done(&s.reply);
}

static void test_head_too_large(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *text = xmalloc(60001);
    struct script s = {.port = http_server_port(f->server), .send = text};

    memset(text, 'a', 60000);
    text[60000] = '\0';
    memcpy(text, "GET / HTTP/1.1\r\nX: ", strlen("GET / HTTP/1.1\r\nX: "));
    script_run(f->loop, &s);
    assert_non_null(strstr(buf_str(&s.reply), "431 Request Header Fields Too Large"));
    buf_done(&s.reply);
}

/* The request is refused before its body is read, and the client can read why while it sends. */
static void test_body_too_large(void **state)
{
    struct fixture *f = *state;
    size_t size = (size_t)3 * 1024 * 1024;
    _cleanup_free_ char *text = xmalloc(size);
    struct script s = {.port = http_server_port(f->server), .send = text, .send_size = size};

    memset(text, 'a', size);
    memcpy(text, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n", 53);
    script_run(f->loop, &s);
    assert_non_null(strstr(buf_str(&s.reply), "413 Content Too Large"));
    assert_false(s.is_reset);
    assert_int_equal(f->n_requests, 0);
    buf_done(&s.reply);
}

/* The client leaves while its request is being worked on: the answer is dropped. */
static void test_client_gone(void **state)
{
    struct fixture *f = *state;
    struct script s = {
        .port = http_server_port(f->server), .send = GET("/later"), .is_closing = true};
    struct script next = {.port = http_server_port(f->server), .send = GET_LAST("/later")};

    script_run(f->loop, &s);
    script_run(f->loop, &next);
    assert_non_null(strstr(buf_str(&next.reply), "\"late\""));
    assert_int_equal(f->n_requests, 2);
    buf_done(&next.reply);
    buf_done(&s.reply);
}

static void test_upgrade(void **state)
{
    struct fixture *f = *state;
    struct script s = {
        .port = http_server_port(f->server),
        .send = UPGRADE("/ws") "\x81\x82\x01\x02\x03\x04\x69\x6b",
        .until = "\x81\x02hi",
        .then = "\x88\x80\x01\x02\x03\x04",
    };

    for (s.chunk = 0; s.chunk < 2; s.chunk++) {
        const char *frames;

        script_run(f->loop, &s);
        assert_non_null(strstr(buf_str(&s.reply), "101 Switching Protocols"));
        assert_non_null(
            strstr(s.reply.data, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert_null(strstr(s.reply.data, "Sec-WebSocket-Protocol"));
        frames = strstr(s.reply.data, "\r\n\r\n") + 4;
        assert_int_equal(s.reply.size - (size_t)(frames - s.reply.data), 6);
        assert_memory_equal(frames, "\x81\x02hi\x88\x00", 6);
        buf_done(&s.reply);
    }
    assert_int_equal(f->n_accepted, 2);
}

static bool is_served(struct fixture *f)
{
    struct script s = {.port = http_server_port(f->server), .send = GET_LAST("/x")};
    bool is_served;

    script_run(f->loop, &s);
    assert_false(s.is_timeout);
    is_served = strstr(buf_str(&s.reply), "[GET|/x") != NULL;
    buf_done(&s.reply);
    return is_served;
}

/* Connections that have not authenticated make way for newcomers, the oldest first. */
static void test_strangers_make_way(void **state)
{
    struct fixture *f = *state;
    int fds[3];
    char byte;

    http_server_close(f->server);
    open_server(f, 6); /* half of it for one source */
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = script_connect(http_server_port(f->server));
    assert_true(is_served(f));
    assert_int_equal(recv(fds[0], &byte, 1, MSG_DONTWAIT), 0);
    assert_int_equal(recv(fds[1], &byte, 1, MSG_DONTWAIT), -1); /* still open */
    assert_int_equal(f->crowd.n_evicted, 1);
    assert_int_equal(f->crowd.n_refused, 0);
    assert_string_equal(f->crowd_peer, "127.0.0.1");
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
}

/* Authenticated connections stay; at the maximum newcomers are closed until one leaves. */
static void test_max_connections(void **state)
{
    struct fixture *f = *state;
    int fds[2];

    http_server_close(f->server);
    open_server(f, ARRAY_LEN(fds));
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = script_connect(http_server_port(f->server));
        script_send(fds[i], GET("/trusted"), strlen(GET("/trusted")), 0);
        loop_run(f->loop); /* until it was accepted */
    }
    assert_false(is_served(f));
    assert_int_equal(f->crowd.n_evicted, 0);
    assert_int_equal(f->crowd.n_refused, 1);

    close(fds[0]);
    /* The server notices the end of the first while it refuses this one, or serves it. */
    (void)is_served(f);
    assert_true(is_served(f));
    close(fds[1]);
}

static void test_port_taken(void **state)
{
    struct fixture *f = *state;
    struct http_server *second = NULL;
    struct http_server_options o = {
        .host = "127.0.0.1",
        .port = http_server_port(f->server),
        .max_connections = 1,
        .handler = &handler,
    };
    struct error err = ERROR_INIT;

    assert_int_equal(http_server_open(&second, f->loop, &o, &err), -EADDRINUSE);
    assert_non_null(strstr(err.msg, "127.0.0.1"));
    o.host = "not an address";
    assert_int_equal(http_server_open(&second, f->loop, &o, &err), -EINVAL);
    assert_null(second);
}

/* Connections in every state when the server closes. */
static void test_close(void **state)
{
    struct fixture *f = *state;
    static const char *const sends[] = {
        "",          "GET",          GET("/never"),
        GET("/big"), UPGRADE("/ws"), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"};
    int fds[ARRAY_LEN(sends)];
    struct script s = {.port = http_server_port(f->server), .send = GET_LAST("/x")};

    for (size_t i = 0; i < ARRAY_LEN(sends); i++) {
        fds[i] = script_connect(http_server_port(f->server));
        script_send(fds[i], sends[i], strlen(sends[i]), 0);
    }
    script_run(f->loop, &s);
    buf_done(&s.reply);
    http_server_close(f->server);
    open_server(f, 100);
    s.port = http_server_port(f->server);
    script_run(f->loop, &s);
    assert_non_null(strstr(buf_str(&s.reply), "[GET|/x"));
    buf_done(&s.reply);
    for (size_t i = 0; i < ARRAY_LEN(sends); i++)
        close(fds[i]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_answers),
        CASE(test_keep_alive),
        CASE(test_expect),
        CASE(test_expect_old),
        CASE(test_big),
        CASE(test_slow_reader),
        CASE(test_trickling_reader),
        CASE(test_head_too_large),
        CASE(test_body_too_large),
        CASE(test_client_gone),
        CASE(test_upgrade),
        CASE(test_strangers_make_way),
        CASE(test_port_taken),
        CASE(test_max_connections),
        CASE(test_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
