#include "base/alloc.h"
#include "base/str.h"
#include "net/script_test.h"
#include "net/ws.h"
#include "net/ws_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ANSWER_HEAD_SIZE 129 /* of the 101 */
#define UPGRADE                                                                    \
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static void test_messages(void **state)
{
    struct fixture *f = *state;

    connect_ends(f);
    f->accepted.is_echo = true;
    assert_int_equal(send_text(&f->client, "one"), 0);
    assert_int_equal(ws_send_binary(f->client.ws, "two", 3), 0);
    assert_int_equal(send_text(&f->client, ""), 0);
    assert_int_equal(send_text(&f->client, "\xe2\x82\xac"), 0);
    assert_int_equal(ws_queued(f->client.ws), 9);
    assert_log(&f->client, "");
    run_until(&f->client, "t:\xe2\x82\xac;");
    assert_non_null(strstr(f->client.log.data, "t:one;"));
    run_until(&f->client, "drain;");
    run_until(&f->accepted, "drain;");
    assert_int_equal(strncmp(f->accepted.log.data, "t:one;b:two;t:;t:\xe2\x82\xac;", 19), 0);
    assert_int_equal(ws_queued(f->client.ws), 0);
    assert_int_equal(ws_queued(f->accepted.ws), 0);
}

static void fill(unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(i * 7 + i / 251);
}

static void test_large(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ unsigned char *data = xmalloc(LARGE);
    uint64_t sum = 0;

    connect_ends(f);
    fill(data, LARGE);
    for (size_t i = 0; i < LARGE; i++)
        sum += data[i];
    f->accepted.is_echo = true;
    assert_int_equal(ws_send_binary(f->client.ws, data, LARGE), 0);
    assert_int_equal(send_text(&f->client, "after"), 0);
    run_until(&f->client, "t:after;");
    assert_non_null(strstr(f->client.log.data, "b:5242880 bytes;"));
    assert_int_equal(f->client.sum, sum);
    assert_int_equal(f->accepted.sum, sum);
}

static void test_queue_limit(void **state)
{
    struct fixture *f = *state;
    struct ws_limits limits = {.max_message = 100, .max_queue = 10};

    connect_ends(f);
    ws_set_limits(f->accepted.ws, &limits);
    assert_int_equal(send_text(&f->accepted, "12345678"), 0);
    assert_int_equal(send_text(&f->accepted, "123"), -ENOBUFS);
    assert_int_equal(send_text(&f->accepted, "12345678901"), -ENOBUFS);
    assert_int_equal(ws_queued(f->accepted.ws), 8);
    assert_int_equal(send_text(&f->accepted, "12"), 0);
    run_until(&f->client, "t:12;");
    assert_log(&f->client, "t:12345678;t:12;");
    run_until(&f->accepted, "drain;");
    assert_int_equal(send_text(&f->accepted, "again"), 0);
    run_until(&f->client, "t:again;");
}

static void test_close_by_client(void **state)
{
    struct fixture *f = *state;

    connect_ends(f);
    assert_int_equal(send_text(&f->client, "last words"), 0);
    ws_close(f->client.ws, 4001, "bye");
    ws_close(f->client.ws, 4002, "twice");
    assert_int_equal(send_text(&f->client, "too late"), -ENOTCONN);
    run_until(&f->client, "close:");
    run_until(&f->accepted, "close:");
    assert_log(&f->accepted, "t:last words;close:4001:bye:0;");
    assert_non_null(strstr(f->client.log.data, "close:4001:bye:0;"));
}

static void test_close_by_server(void **state)
{
    struct fixture *f = *state;

    connect_ends(f);
    assert_int_equal(send_text(&f->accepted, "last words"), 0);
    ws_close(f->accepted.ws, 1008, "go away");
    assert_int_equal(send_text(&f->accepted, "too late"), -ENOTCONN);
    run_until(&f->client, "close:");
    run_until(&f->accepted, "close:");
    assert_log(&f->client, "t:last words;close:1008:go away:0;");
    assert_non_null(strstr(f->accepted.log.data, "close:1008:go away:0;"));
}

static void test_too_big(void **state)
{
    struct fixture *f = *state;
    struct ws_limits small = {.max_message = 10, .max_queue = LARGE};
    _cleanup_free_ unsigned char *data = xmalloc(LARGE);

    memset(data, 'x', LARGE);
    connect_ends(f);
    ws_set_limits(f->accepted.ws, &small);
    assert_int_equal(send_text(&f->client, "1234567890"), 0);
    assert_int_equal(ws_send_text(f->client.ws, (char *)data, LARGE), 0);
    run_until(&f->client, "close:");
    run_until(&f->accepted, "close:");
    assert_log(&f->accepted, "t:1234567890;close:1009:message too big:EMSGSIZE;");
    assert_non_null(strstr(f->client.log.data, "close:1009:message too big:0;"));

    buf_clear(&f->accepted.log);
    buf_clear(&f->client.log);
    connect_ends(f);
    ws_set_limits(f->client.ws, &small);
    assert_int_equal(ws_send_text(f->accepted.ws, (char *)data, LARGE), 0);
    run_until(&f->client, "close:");
    run_until(&f->accepted, "close:");
    assert_log(&f->client, "close:1009:message too big:EMSGSIZE;");
    assert_non_null(strstr(f->accepted.log.data, "close:1009:message too big:0;"));
}

/* Limits are raised once the peer has authenticated. */
static void test_widened_limits(void **state)
{
    struct fixture *f = *state;
    struct ws_limits wide = {.max_message = 100, .max_queue = 100};

    f->limits.max_message = 5;
    connect_ends(f);
    assert_int_equal(send_text(&f->client, "12345"), 0);
    run_until(&f->accepted, "t:12345;");
    ws_set_limits(f->accepted.ws, &wide);
    assert_int_equal(send_text(&f->client, "123456"), 0);
    run_until(&f->accepted, "t:123456;");
}

static void test_pause(void **state)
{
    struct fixture *f = *state;

    connect_ends(f);
    f->accepted.is_pausing = true;
    assert_int_equal(send_text(&f->client, "one"), 0);
    assert_int_equal(send_text(&f->client, "two"), 0);
    assert_int_equal(send_text(&f->client, "three"), 0);
    run_until(&f->accepted, "t:one;");
    assert_false(run_for(f, 50));
    assert_log(&f->accepted, "t:one;");
    ws_pause(f->accepted.ws, false);
    assert_log(&f->accepted, "t:one;");
    run_until(&f->accepted, "t:three;");
    assert_log(&f->accepted, "t:one;t:two;t:three;");

    ws_pause(f->client.ws, true);
    assert_int_equal(send_text(&f->accepted, "four"), 0);
    buf_clear(&f->client.log);
    assert_false(run_for(f, 50));
    assert_log(&f->client, "");
    ws_pause(f->client.ws, false);
    run_until(&f->client, "t:four;");
}

/* A paused end that closes reads on: the close frame of its peer ends the connection in order. */
static void test_close_while_paused(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 2; i++) {
        struct end *paused = i == 0 ? &f->client : &f->accepted;
        struct end *other = i == 0 ? &f->accepted : &f->client;

        connect_ends(f);
        ws_pause(paused->ws, true);
        assert_int_equal(send_text(other, "unread"), 0);
        ws_close(paused->ws, 4001, "bye");
        run_until(paused, "close:");
        run_until(other, "close:");
        assert_non_null(strstr(paused->log.data, "close:4001:bye:0;"));
        assert_non_null(strstr(other->log.data, "close:4001:bye:0;"));
        buf_clear(&paused->log);
        buf_clear(&other->log);
    }
}

static void test_ping(void **state)
{
    struct fixture *f = *state;
    struct ws_limits limits = {
        .max_message = 10, .max_queue = 10, .ping_interval_ms = 10, .silence_timeout_ms = 1000};

    connect_ends(f);
    ws_set_limits(f->client.ws, &limits);
    run_until(&f->client, "pong;pong;pong;");
    assert_log(&f->accepted, "");
    limits.ping_interval_ms = 10000;
    ws_set_limits(f->client.ws, &limits);
    limits.ping_interval_ms = 10;
    ws_set_limits(f->accepted.ws, &limits);
    run_until(&f->accepted, "pong;pong;pong;");
}

/* The receipt comes from the peer that has read the messages, not from a kernel on the way. */
static void test_receipts(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *data = xcalloc(1, LARGE);

    connect_ends(f);
    f->accepted.is_pausing = true;
    assert_int_equal(send_text(&f->client, "one"), 0);
    assert_int_equal(ws_ask_receipt(f->client.ws, 1), 0);
    assert_int_equal(ws_ask_receipt(f->client.ws, 2), 0); /* nothing new: instead of the first */
    run_until(&f->accepted, "t:one;");
    assert_false(run_for(f, 50));
    assert_log(&f->client, "drain;");
    ws_pause(f->accepted.ws, false);
    run_until(&f->client, "receipt:2;");
    assert_log(&f->client, "drain;pong;receipt:2;");

    buf_clear(&f->client.log);
    buf_clear(&f->accepted.log);
    assert_int_equal(ws_send_binary(f->client.ws, data, LARGE), 0);
    assert_int_equal(ws_ask_receipt(f->client.ws, UINT64_MAX), 0);
    assert_int_equal(ws_queued(f->client.ws), LARGE);
    run_until(&f->client, "receipt:18446744073709551615;");
    assert_log(&f->accepted, "b:5242880 bytes;");
    assert_int_equal(ws_queued(f->client.ws), 0);

    buf_clear(&f->client.log);
    f->client.free_at = "pong;";
    assert_int_equal(ws_ask_receipt(f->client.ws, 3), 0);
    run_until(&f->client, "pong;");
    assert_null(f->client.ws);
    assert_null(strstr(f->client.log.data, "receipt:3;"));
    run_until(&f->accepted, "close:");
}

/* Replies to hand-written frames of a hand-written client. */
static const struct frames_case {
    const char *name;
    const char *frames;
    size_t size;
    const char *reply; /* frames behind the head of the 101 */
    size_t reply_size;
    const char *log;
} scripts[] = {
    {"unmasked",                        "\x81\x02hi",                                                    4,
     "\x88\x14\x03\xea"
     "frame without mask",                                                                                                         22, "accepted;close:1002:frame without mask:EPROTO;"},
    {"garbage",                         "GET / HTTP/1.1\r\n\r\n",                                        18,
     "\x88\x12\x03\xea"
     "reserved bit set",                                                                                                           20, "accepted;close:1002:reserved bit set:EPROTO;"  },
    {"invalid UTF-8",                   "\x81\x82\0\0\0\0\xc3\x28",                                      8,
     "\x88\x13\x03\xef"
     "text is not UTF-8",                                                                                                          21, "accepted;close:1007:text is not UTF-8:EBADMSG;"},
    {"UTF-8 over two fragments",        "\x01\x81\0\0\0\0\xc3\x80\x81\0\0\0\0\xa9\x88\x80\0\0\0\0",      20,
     "\x88\x00",                                                                                                                   2,  "accepted;t:\xc3\xa9;close:1005::0;"            },
    {"close with reason",
     "\x88\x85\0\0\0\0\x0f\xa1"
     "bye",                                                                                              11,
     "\x88\x05\x0f\xa1"
     "bye",                                                                                                                        7,  "accepted;close:4001:bye:0;"                    },
    {"close code that may not be sent", "\x88\x82\0\0\0\0\x03\xee",                                      8,
     "\x88\x11\x03\xea"
     "bad close frame",                                                                                                            19, "accepted;close:1002:bad close frame:EPROTO;"   },
    {"close of one byte",               "\x88\x81\0\0\0\0x",                                             7,
     "\x88\x11\x03\xea"
     "bad close frame",                                                                                                            19, "accepted;close:1002:bad close frame:EPROTO;"   },
    {"ping and close",                  "\x89\x82\0\0\0\0hi\x88\x80\0\0\0\0",                            14, "\x8a\x02hi\x88\x00", 6,
     "accepted;close:1005::0;"                                                                                                                                                         },
    {"too long",                        "\x82\xff\0\0\0\x10\0\0\0\0\0\0\0\0aaaaaaaaaaa\x88\x80\0\0\0\0", 31,
     "\x88\x11\x03\xf1"
     "message too big",                                                                                                            19, "accepted;close:1009:message too big:EMSGSIZE;" },
};

static void run_script(struct fixture *f, const struct frames_case *c, size_t chunk)
{
    struct script s = {.port = http_server_port(f->server), .chunk = chunk};
    struct buf send = BUF_INIT(1000);
    const char *frames;
    size_t size;

    assert_int_equal(buf_append_str(&send, UPGRADE), 0);
    assert_int_equal(buf_append(&send, c->frames, c->size), 0);
    s.send = send.data;
    s.send_size = send.size;
    s.until_size = ANSWER_HEAD_SIZE + c->reply_size; /* the client hangs up then */
    script_run(f->loop, &s);
    run_until(&f->accepted, "close:");

    frames = strstr(buf_str(&s.reply), "\r\n\r\n") + 4;
    size = s.reply.size - (size_t)(frames - s.reply.data);
    if (size != c->reply_size || memcmp(frames, c->reply, size) != 0)
        fail_msg("%s: wrong answer (%zu bytes)", c->name, size);
    if (!str_eq(buf_str(&f->accepted.log), c->log))
        fail_msg("%s: %s", c->name, buf_str(&f->accepted.log));
    buf_clear(&f->accepted.log);
    buf_done(&s.reply);
    buf_done(&send);
}

static void test_scripts(void **state)
{
    struct fixture *f = *state;

    f->limits.max_message = 10;
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        for (size_t chunk = 0; chunk < 2; chunk++)
            run_script(f, &scripts[i], chunk);
    }
}

/* A client that falls silent, and one that vanishes. */
static void test_dead_clients(void **state)
{
    struct fixture *f = *state;
    struct script s = {.port = http_server_port(f->server), .send = UPGRADE};
    int fd;

    f->limits.ping_interval_ms = 20;
    f->limits.silence_timeout_ms = 50;
    script_run(f->loop, &s); /* reads until the server gives up */
    assert_false(s.is_timeout);
    run_until(&f->accepted, "close:");
    assert_log(&f->accepted, "accepted;close:1006:peer is silent:ETIMEDOUT;");
    assert_memory_equal(s.reply.data + s.reply.size - 2, "\x89\0", 2);
    buf_done(&s.reply);

    buf_clear(&f->accepted.log);
    fd = script_connect(http_server_port(f->server));
    script_send(fd, UPGRADE, strlen(UPGRADE), 0);
    run_until(&f->accepted, "accepted;");
    close(fd);
    run_until(&f->accepted, "close:");
    assert_log(&f->accepted, "accepted;close:1006:connection lost:ECONNRESET;");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, ws_fixture_set_up, ws_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_messages),           CASE(test_large),
        CASE(test_queue_limit),        CASE(test_close_by_client),
        CASE(test_close_by_server),    CASE(test_too_big),
        CASE(test_widened_limits),     CASE(test_pause),
        CASE(test_close_while_paused), CASE(test_ping),
        CASE(test_receipts),           CASE(test_scripts),
        CASE(test_dead_clients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
