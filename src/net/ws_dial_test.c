#include "base/alloc.h"
#include "base/str.h"
#include "net/script_test.h"
#include "net/ws_accept.h"
#include "net/ws_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A server that accepts one connection, reads its input and sends what the test sets. */
struct stub {
    int fd;
    uint16_t port;
    const char *reply; /* "%s" stands for the right accept key */
    const void *frames;
    size_t frames_size;
    bool is_silent; /* stays connected until the client leaves; otherwise it hangs up */
    pthread_t thread;
};

static void *stub_main(void *arg)
{
    struct stub *stub = arg;
    char data[4096], text[1024], key[WS_ACCEPT_KEY_SIZE] = "";
    int fd = accept(stub->fd, NULL, NULL);
    ssize_t n = recv(fd, data, sizeof(data) - 1, 0);
    char *at;

    data[n > 0 ? n : 0] = '\0';
    at = strstr(data, "Sec-WebSocket-Key: ");
    if (at) {
        at += strlen("Sec-WebSocket-Key: ");
        at[strcspn(at, "\r")] = '\0';
        (void)!ws_accept_key(at, key);
    }
    if (stub->reply) {
        const char *mark = strstr(stub->reply, "%s");
        int length = mark ? (int)(mark - stub->reply) : (int)strlen(stub->reply);

        (void)snprintf(text, sizeof(text), "%.*s%s%s", length, stub->reply, mark ? key : "",
                       mark ? mark + 2 : "");
        script_send(fd, text, strlen(text), 1);
    }
    script_send(fd, stub->frames, stub->frames_size, 1);
    while (stub->is_silent && recv(fd, data, sizeof(data), 0) > 0)
        ;
    close(fd);
    return NULL;
}

static void stub_start(struct stub *stub)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t size = sizeof(a);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    stub->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(stub->fd, (struct sockaddr *)&a, size), 0);
    assert_int_equal(listen(stub->fd, 1), 0);
    assert_int_equal(getsockname(stub->fd, (struct sockaddr *)&a, &size), 0);
    stub->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&stub->thread, NULL, stub_main, stub), 0);
}

static void stub_stop(struct stub *stub)
{
    (void)pthread_join(stub->thread, NULL);
    close(stub->fd);
}

#define SWITCHING \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "

static void test_dial_stub(void **state)
{
    static const struct {
        const char *reply;
        const char *frames;
        size_t size;
        bool is_silent;
        const char *log;
    } cases[] = {
        {SWITCHING "%s\r\n\r\n",                                      "\x81\x02hi\x88\x02\x03\xe8",                 8,  false,
         "open;t:hi;close:1000::0;"                                                                                                                                                           },
        {SWITCHING "%s\r\n\r\n",                                      "\x01\x01h\x89\x00\x80\x01i\x88\x02\x03\xe8", 12, false,
         "open;t:hi;close:1000::0;"                                                                                                                                                           },
        {SWITCHING "%s\r\n\r\n",                                      "\x82\x00\x88\x02\x03\xe9",                   6,  false, "open;b:;close:1001::0;"                                       },
        {SWITCHING "%s\r\n\r\n",                                      "\x81\x02h",                                  3,  false,
         "open;close:1006:connection lost:ECONNRESET;"                                                                                                                                        },
        {SWITCHING "%s\r\n\r\n",                                      "",                                           0,  true,  "open;close:1006:peer is silent:ETIMEDOUT;"                    },
        {SWITCHING "AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",            "",                                           0,  true,
         "close:1006:server answered with a wrong WebSocket key:EPROTO;"                                                                                                                      },
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",       "",                                           0,  true,
         "close:1006:server answered with HTTP status 403:EPROTO;"                                                                                                                            },
        {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",    "",                                           0,  true,
         "close:1006:server answered with HTTP status 401:EPROTO;"                                                                                                                            },
        {"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n", "",                                           0,  true,
         "close:1006:server answered with HTTP status 302:EPROTO;"                                                                                                                            },
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",            "",                                           0,  true,
         "close:1006:server answered with HTTP status 200:EPROTO;"                                                                                                                            },
        {"HTTP/1.1 10",                                               "",                                           0,  true,  "close:1006:no connection in time:ETIMEDOUT;"                  },
        {NULL,                                                        "",                                           0,  true,  "close:1006:no connection in time:ETIMEDOUT;"                  },
        {NULL,                                                        "",                                           0,  false, "close:1006:connection closed during the handshake:ECONNRESET;"},
    };
    struct fixture *f = *state;
    struct ws_limits limits = {
        .max_message = 100, .max_queue = 100, .ping_interval_ms = 30, .silence_timeout_ms = 80};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stub stub = {.reply = cases[i].reply,
                            .frames = cases[i].frames,
                            .frames_size = cases[i].size,
                            .is_silent = cases[i].is_silent};

        stub_start(&stub);
        assert_int_equal(dial(f, stub.port, "/ws", &limits), 0);
        run_until(&f->client, "close:");
        if (!str_eq(buf_str(&f->client.log), cases[i].log))
            fail_msg("case %zu: %s", i, buf_str(&f->client.log));
        buf_clear(&f->client.log);
        /* The connection is closed with a turn of the loop; the stub waits for that. */
        (void)run_for(f, 10);
        stub_stop(&stub);
    }
}

static void test_dial_failures(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    struct ws_dial d = {
        .url = "http://127.0.0.1/", .handler = &ws_fixture_handler, .owner = &f->client};
    uint16_t port = http_server_port(f->server);

    assert_int_equal(ws_connect(&f->client.ws, f->loop, &d, &err), -EINVAL);
    d.url = "nonsense";
    assert_int_equal(ws_connect(&f->client.ws, f->loop, &d, &err), -EINVAL);
    assert_null(f->client.ws);

    assert_int_equal(dial(f, port, "/elsewhere", NULL), 0);
    run_until(&f->client, "close:");
    assert_log(&f->client, "close:1006:server answered with HTTP status 403:EPROTO;");
    buf_clear(&f->client.log);

    assert_int_equal(dial(f, port, "/ws", NULL), 0);
    ws_close(f->client.ws, 1000, "changed my mind");
    assert_log(&f->client, "");
    run_until(&f->client, "close:");
    assert_log(&f->client, "close:1000:changed my mind:0;");
    buf_clear(&f->client.log);

    http_server_close(TAKE_PTR(f->server));
    (void)run_for(f, 10);
    assert_int_equal(dial(f, port, "/ws", NULL), 0);
    assert_log(&f->client, "");
    run_until(&f->client, "close:");
    assert_non_null(strstr(f->client.log.data, "ECONNREFUSED"));
}

/* The owner frees the peer inside each callback: no further callback, no leak. */
static void test_free_inside(void **state)
{
    static const char *const client_at[] = {"open;", "t:hi;", "drain;", "pong;", "close:"};
    static const char *const server_at[] = {"accepted;", "t:hi;", "drain;", "pong;", "close:"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(client_at) + ARRAY_LEN(server_at); i++) {
        bool is_client = i < ARRAY_LEN(client_at);
        struct end *e = is_client ? &f->client : &f->accepted;
        struct end *other = is_client ? &f->accepted : &f->client;
        struct ws_limits limits = {
            .max_message = 10, .max_queue = 100, .ping_interval_ms = 10, .silence_timeout_ms = 500};
        size_t length;

        f->limits = limits;
        f->client.is_echo = f->accepted.is_echo = false;
        other->is_echo = true;
        e->free_at = is_client ? client_at[i] : server_at[i - ARRAY_LEN(client_at)];
        assert_int_equal(dial(f, http_server_port(f->server), "/ws", &limits), 0);
        if (!str_eq(e->free_at, "open;") && !str_eq(e->free_at, "accepted;")) {
            run_until(&f->client, "open;");
            run_until(&f->accepted, "accepted;");
            if (e->ws && !str_eq(e->free_at, "pong;"))
                assert_int_equal(send_text(e, "hi"), 0);
            if (str_eq(e->free_at, "close:"))
                ws_close(e->ws, 1000, "");
        }
        run_until(e, e->free_at);
        assert_null(e->ws);
        length = e->log.size;
        if (!strstr(buf_str(&other->log), "close:"))
            run_until(other, "close:");
        (void)run_for(f, 5);
        assert_int_equal(e->log.size, length);
        e->free_at = NULL;
        buf_clear(&f->client.log);
        buf_clear(&f->accepted.log);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, ws_fixture_set_up, ws_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_dial_stub),
        CASE(test_dial_failures),
        CASE(test_free_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
