#include "base/alloc.h"
#include "base/str.h"
#include "net/http_server.h"
#include "net/script_test.h"
#include "net/ws.h"
#include "net/ws_accept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define PATIENCE_MS      5000
#define ANSWER_HEAD_SIZE 129 /* of the 101 */
#define LARGE            ((size_t)5 * 1024 * 1024)
#define UPGRADE                                                                    \
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

/* One side of a connection, and what happened to it, as text. */
struct end {
    struct fixture *f;
    struct ws *ws;
    struct buf log;
    const char *wanted;  /* the loop stops when the log contains it */
    const char *free_at; /* the peer is freed inside the callback that logs this */
    bool is_echo;
    bool is_pausing; /* after the first message */
    uint64_t sum;    /* of all bytes of large messages */
};

struct fixture {
    struct loop *loop;
    struct http_server *server;
    struct ws_limits limits; /* of accepted peers */
    struct loop_timer patience;
    bool was_patient;
    struct end client, accepted;
};

static void note(struct end *e, const char *fmt, ...) _printf_(2, 3);
static void note(struct end *e, const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    assert_int_equal(buf_append_str(&e->log, text), 0);
    if (e->wanted && strstr(e->log.data, e->wanted))
        loop_stop(e->f->loop);
    if (e->free_at && strstr(text, e->free_at))
        ws_free(TAKE_PTR(e->ws));
}

static void on_open(void *owner)
{
    struct end *e = owner;

    if (e == &e->f->client)
        note(e, "open;");
}

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    struct end *e = owner;

    if (e->is_echo) {
        assert_int_equal(
            is_binary ? ws_send_binary(e->ws, data, size) : ws_send_text(e->ws, data, size), 0);
    }
    if (e->is_pausing)
        ws_pause(e->ws, true);
    e->is_pausing = false;
    if (size > 100) {
        for (size_t i = 0; i < size; i++)
            e->sum += (unsigned char)data[i];
        note(e, "%c:%zu bytes;", is_binary ? 'b' : 't', size);
        return;
    }
    note(e, "%c:%.*s;", is_binary ? 'b' : 't', (int)size, data);
}

static void on_pong(void *owner)
{
    note(owner, "pong;");
}

static void on_drain(void *owner)
{
    note(owner, "drain;");
}

static void on_close(void *owner, const struct ws_close *why)
{
    struct end *e = owner;

    e->ws = NULL;
    note(e, "close:%u:%s:%s;", why->code, why->reason,
         why->error ? strerrorname_np(-why->error) : "0");
}

static const struct ws_handler handler = {on_open, on_message, on_pong, on_drain, on_close};

static void *on_accept(void *owner, struct ws *ws, void *context)
{
    struct fixture *f = owner;

    (void)context;
    assert_null(f->accepted.ws);
    f->accepted.ws = ws;
    note(&f->accepted, "accepted;");
    return &f->accepted;
}

static int on_upgrade(void *owner, const struct http_request *r, struct ws_accept *ret)
{
    struct fixture *f = owner;

    if (!str_eq(r->path, "/ws"))
        return 403;
    assert_null(http_request_header(r, "origin"));
    assert_null(http_request_header(r, "sec-websocket-protocol"));
    assert_null(http_request_header(r, "sec-websocket-extensions"));
    *ret = (struct ws_accept){
        .limits = f->limits, .handler = &handler, .on_accept = on_accept, .owner = f};
    return 0;
}

static void format_error(int status, const char *detail, struct buf *body)
{
    assert_int_equal(buf_printf(body, "%d %s", status, detail), 0);
}

static void on_request(void *owner, const struct http_request *r)
{
    struct fixture *f = owner;

    (void)http_respond(f->server, r->id, &(struct http_response){.status = 404});
}

static const struct http_handler http_handler = {NULL, on_request, on_upgrade, format_error};

static void end_init(struct end *e, struct fixture *f)
{
    e->f = f;
    buf_init(&e->log, 65536);
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct http_server_options so = {
        .host = "127.0.0.1", .max_connections = 10, .handler = &http_handler, .owner = f};

    assert_int_equal(loop_new(&f->loop, &(struct loop_options){0}, NULL), 0);
    assert_int_equal(http_server_open(&f->server, f->loop, &so, NULL), 0);
    f->limits = (struct ws_limits){.max_message = 2 * LARGE, .max_queue = 2 * LARGE};
    end_init(&f->client, f);
    end_init(&f->accepted, f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    loop_timer_stop(&f->patience);
    ws_free(f->client.ws);
    ws_free(f->accepted.ws);
    http_server_close(f->server);
    loop_free(f->loop);
    buf_done(&f->client.log);
    buf_done(&f->accepted.log);
    free(f);
    return 0;
}

static void on_impatient(struct loop_timer *t)
{
    struct fixture *f = CONTAINER_OF(t, struct fixture, patience);

    f->was_patient = false;
    loop_stop(f->loop);
}

/* Runs the loop for some time; false: the time is over. */
static bool run_for(struct fixture *f, uint64_t ms)
{
    f->was_patient = true;
    loop_timer_start(f->loop, &f->patience, ms, on_impatient);
    loop_run(f->loop);
    loop_timer_stop(&f->patience);
    return f->was_patient;
}

static void run_until(struct end *e, const char *wanted)
{
    if (strstr(buf_str(&e->log), wanted))
        return;
    e->wanted = wanted;
    if (!run_for(e->f, PATIENCE_MS))
        fail_msg("waited for %s, had %s", wanted, buf_str(&e->log));
    e->wanted = NULL;
}

static int dial(struct fixture *f, uint16_t port, const char *path, const struct ws_limits *limits)
{
    char url[100];
    struct ws_dial d = {
        .url = url, .connect_timeout_ms = 200, .handler = &handler, .owner = &f->client};

    d.limits = limits ? *limits
                      : (struct ws_limits){.max_message = 2 * LARGE, .max_queue = 2 * LARGE};
    (void)snprintf(url, sizeof(url), "ws://127.0.0.1:%u%s", port, path);
    return ws_connect(&f->client.ws, f->loop, &d, NULL);
}

/* Both ends up. */
static void connect_ends(struct fixture *f)
{
    assert_int_equal(dial(f, http_server_port(f->server), "/ws?x=y", NULL), 0);
    assert_string_equal(buf_str(&f->client.log), "");
    run_until(&f->client, "open;");
    run_until(&f->accepted, "accepted;");
    assert_string_equal(ws_peer_address(f->client.ws), "127.0.0.1");
    assert_string_equal(ws_peer_address(f->accepted.ws), "127.0.0.1");
    buf_clear(&f->client.log);
    buf_clear(&f->accepted.log);
}

static void assert_log(const struct end *e, const char *want)
{
    assert_string_equal(buf_str(&e->log), want);
}

static int send_text(struct end *e, const char *text)
{
    return ws_send_text(e->ws, text, strlen(text));
}

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

/* Limits are widened once the peer has shown who it is. */
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

/* What a hand-written client gets for hand-written frames. */
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

/* A client that never says anything again, and one that vanishes. */
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

/* A server that accepts one connection, reads what comes and says what the test wants. */
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
    struct ws_dial d = {.url = "http://127.0.0.1/", .handler = &handler, .owner = &f->client};
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

/* The owner lets go inside each of its callbacks; nothing is called afterwards, nothing leaks. */
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

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_messages),        CASE(test_large),           CASE(test_queue_limit),
        CASE(test_close_by_client), CASE(test_close_by_server), CASE(test_too_big),
        CASE(test_widened_limits),  CASE(test_pause),           CASE(test_ping),
        CASE(test_scripts),         CASE(test_dead_clients),    CASE(test_dial_stub),
        CASE(test_dial_failures),   CASE(test_free_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
