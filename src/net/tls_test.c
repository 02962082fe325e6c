/*
 * Our own two sides against each other over TLS: the HTTP server and WebSocket peers that accept,
 * the client that verifies.
 */

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "net/call_fixture.h"
#include "net/certificate.h"
#include "net/http_server.h"
#include "net/tls_server.h"
#include "net/tls_trust.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define PATIENT_MS   30000 /* for a handshake on a machine that is busy, or under valgrind */
#define IMPATIENT_MS 2000  /* where the cut itself is tested */
#define BIG_SIZE     ((size_t)3 * 1024 * 1024)
#define MESSAGE_SIZE ((size_t)700 * 1024)
#define OTHER_PIN    "sha256:0000000000000000000000000000000000000000000000000000000000000000"

/* A server with a certificate of its own for "localhost" only. */
struct site {
    struct http_server *server;
    char dir[64], cert[80], key[80], url[64], plain_url[64];
    struct certificate_info info;
    unsigned n_requests;
    struct ws *peer;
};

static void on_request(void *owner, const struct http_request *r)
{
    struct site *s = owner;
    _cleanup_free_ char *body = xmalloc(BIG_SIZE);
    bool is_big = str_eq(r->path, "/big");

    s->n_requests++;
    memset(body, 'x', BIG_SIZE);
    if (!is_big)
        (void)snprintf(body, BIG_SIZE, "tls=%d %.*s", r->is_tls, (int)r->body_size, r->body);
    assert_true(http_respond(
        s->server, r->id,
        &(struct http_response){200, NULL, body, is_big ? BIG_SIZE : strlen(body), NULL}));
}

static void on_echo(void *owner, const char *data, size_t size, bool is_binary)
{
    struct site *s = owner;

    assert_false(is_binary);
    assert_int_equal(ws_send_text(s->peer, data, size), 0);
}

static void on_peer_close(void *owner, const struct ws_close *why)
{
    struct site *s = owner;

    assert_int_equal(why->code, WS_CLOSE_NORMAL);
    s->peer = NULL;
}

static void *on_accept(void *owner, struct ws *ws, void *context)
{
    struct site *s = owner;

    (void)context;
    s->peer = ws;
    return s;
}

static int on_upgrade(void *owner, const struct http_request *r, struct ws_accept *ret)
{
    static const struct ws_handler echo = {.on_message = on_echo, .on_close = on_peer_close};

    assert_true(r->is_tls);
    *ret = (struct ws_accept){
        .limits = {.max_message = 2 * MESSAGE_SIZE, .max_queue = 2 * MESSAGE_SIZE},
        .handler = &echo,
        .on_accept = on_accept,
        .owner = owner,
    };
    return 0;
}

static void format_error(int status, const char *detail, struct buf *body)
{
    assert_int_equal(buf_printf(body, "%d %s", status, detail), 0);
}

static const struct http_handler handler = {
    .on_request = on_request, .on_upgrade = on_upgrade, .format_error = format_error};

static void write_certificate(struct site *s)
{
    static const char *const names[] = {"localhost"};
    const struct certificate_spec spec = {names, 1, NULL, 30};
    struct buf cert = BUF_INIT(65536), key = BUF_INIT(65536);

    assert_int_equal(certificate_make(&spec, &cert, &key, NULL), 0);
    assert_int_equal(file_write_atomic(s->cert, cert.data, cert.size, 0644, NULL), 0);
    assert_int_equal(file_write_atomic(s->key, key.data, key.size, 0600, NULL), 0);
    certificate_info_done(&s->info);
    assert_int_equal(certificate_read(s->cert, &s->info, NULL), 0);
    buf_done(&cert);
    buf_done(&key);
}

static void open_site_within(struct site *s, uint64_t head_timeout_ms)
{
    _cleanup_(tls_server_context_freep) struct ssl_ctx_st *tls = NULL;
    struct http_server_options o = {
        .host = "127.0.0.1",
        .max_connections = 100,
        .head_timeout_ms = head_timeout_ms,
        .handler = &handler,
        .owner = s,
    };
    struct error err = ERROR_INIT;

    *s = (struct site){.dir = "/tmp/tls-test-XXXXXX"};
    assert_non_null(mkdtemp(s->dir));
    (void)snprintf(s->cert, sizeof(s->cert), "%s/cert.pem", s->dir);
    (void)snprintf(s->key, sizeof(s->key), "%s/key.pem", s->dir);
    write_certificate(s);
    assert_int_equal(tls_server_context_new(&tls, s->cert, s->key, &err), 0);
    o.tls = tls;
    if (http_server_open(&s->server, test_loop->loop, &o, &err) < 0)
        fail_msg("%s", err.msg);
    (void)snprintf(s->url, sizeof(s->url), "https://localhost:%u", http_server_port(s->server));
    (void)snprintf(s->plain_url, sizeof(s->plain_url), "http://127.0.0.1:%u",
                   http_server_port(s->server));
}

static void open_site(struct site *s)
{
    open_site_within(s, PATIENT_MS);
}

static void close_site(struct site *s)
{
    http_server_close(s->server);
    certificate_info_done(&s->info);
    (void)unlink(s->cert);
    (void)unlink(s->key);
    (void)rmdir(s->dir);
}

static void call_with(struct outcome *ret,
                      const char *address,
                      const struct tls_trust_options *trust)
{
    _cleanup_(tls_trust_freep) struct tls_trust *own = NULL;

    assert_int_equal(tls_trust_new(&own, trust, NULL), 0);
    outcome_run(ret, address, &(struct http_call_options){.trust = own});
}

static void test_trust(void **state)
{
    struct site s, other;
    char numeric[64], pins[200];
    const struct {
        const char *address;
        struct tls_trust_options trust;
        const char *why; /* NULL: works */
    } cases[] = {
        {s.url,   {.ca_file = s.cert},                      NULL                },
        {numeric, {.ca_file = s.cert},                      "mismatch"          },
        {s.url,   {.ca_file = other.cert},                  "self-signed"       },
        {s.url,   {0},                                      "self-signed"       },
        {numeric, {.is_insecure = true},                    NULL                },
        {numeric, {.pins = s.info.fingerprint},             NULL                },
        {numeric, {.pins = pins},                           NULL                },
        {s.url,   {.pins = OTHER_PIN},                      "not the pinned one"},
        {s.url,   {.pins = OTHER_PIN, .is_insecure = true}, "not the pinned one"},
        {s.url,   {.pins = OTHER_PIN, .ca_file = s.cert},   "not the pinned one"},
    };

    (void)state;
    open_site(&s);
    open_site(&other);
    (void)snprintf(numeric, sizeof(numeric), "https%s", strchr(s.plain_url, ':'));
    (void)snprintf(pins, sizeof(pins), OTHER_PIN ",%s", s.info.fingerprint);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome o;

        call_with(&o, cases[i].address, &cases[i].trust);
        if (!cases[i].why) {
            if (o.code != 0)
                fail_msg("case %zu: %s", i, o.message);
            assert_string_equal(buf_str(&o.body), "tls=1 ");
        } else if (o.code != -EPROTO || !strstr(o.message, cases[i].why)) {
            fail_msg("case %zu: %d %s", i, o.code, o.message);
        }
        if (cases[i].why && !strstr(cases[i].why, "mismatch"))
            assert_non_null(strstr(o.message, s.info.fingerprint));
        outcome_done(&o);
    }
    assert_int_equal(s.n_requests, 4);
    close_site(&s);
    close_site(&other);
}

/* The pins of a loop hold for all that dials without a trust of its own. */
static void test_pins_of_the_loop(void **state)
{
    struct loop *before = test_loop->loop;
    struct error err = ERROR_INIT;
    char pins[] = OTHER_PIN;
    struct outcome o;
    struct site s;

    (void)state;
    assert_int_equal(loop_new(&test_loop->loop, &(struct loop_options){.pins = pins}, NULL), 0);
    open_site(&s);
    outcome_run(&o, s.url, &(struct http_call_options){.is_insecure = true});
    assert_int_equal(o.code, -EPROTO);
    assert_non_null(strstr(o.message, "not the pinned one"));
    outcome_done(&o);
    assert_string_equal(tls_trust_refused(loop_tls_trust(test_loop->loop, &err)),
                        s.info.fingerprint);
    close_site(&s);
    loop_free(test_loop->loop);
    test_loop->loop = before;
}

static void test_large_bodies(void **state)
{
    struct outcome o;
    struct site s;
    _cleanup_free_ char *body = xmalloc(600000);

    (void)state;
    memset(body, 'y', 600000);
    open_site(&s);
    outcome_run(
        &o, s.url,
        &(struct http_call_options){.path = "/big", .max_body = BIG_SIZE, .is_insecure = true});
    assert_int_equal(o.code, 0);
    assert_int_equal(o.body.size, BIG_SIZE);
    outcome_done(&o);
    outcome_run(&o, s.url,
                &(struct http_call_options){
                    .method = "POST", .body = body, .body_size = 600000, .is_insecure = true});
    assert_int_equal(o.body.size, 600000 + strlen("tls=1 "));
    outcome_done(&o);
    close_site(&s);
}

/* A connection that is made after a change sees the new certificate. */
static void test_replaced_context(void **state)
{
    struct ssl_ctx_st *tls;
    struct outcome o;
    struct site s;
    char old[TLS_FINGERPRINT_SIZE];

    (void)state;
    open_site(&s);
    str_copy(old, sizeof(old), s.info.fingerprint);
    write_certificate(&s);
    call_with(&o, s.url, &(struct tls_trust_options){.pins = old});
    assert_int_equal(o.code, 0);
    outcome_done(&o);
    assert_int_equal(tls_server_context_new(&tls, s.cert, s.key, NULL), 0);
    http_server_set_tls(s.server, tls);
    tls_server_context_free(tls);
    call_with(&o, s.url, &(struct tls_trust_options){.pins = old});
    assert_int_equal(o.code, -EPROTO);
    outcome_done(&o);
    call_with(&o, s.url, &(struct tls_trust_options){.pins = s.info.fingerprint});
    assert_int_equal(o.code, 0);
    outcome_done(&o);
    close_site(&s);
}

static void test_plain_http(void **state)
{
    static const char *const methods[] = {"GET", "POST", "HEAD"};
    struct outcome o;
    struct site s;

    (void)state;
    open_site(&s);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        outcome_run(&o, s.plain_url, &(struct http_call_options){.method = methods[i]});
        assert_int_equal(o.code, 0);
        assert_int_equal(o.status, 400);
        if (i < 2)
            assert_non_null(strstr(buf_str(&o.body), "use https://"));
        outcome_done(&o);
    }
    assert_int_equal(s.n_requests, 0);
    close_site(&s);
}

/* Peers that send little or garbage: `n_ended` counts those that were cut. */
struct staller {
    struct loop_io io;
    int fd;
    unsigned *n_ended;
};

static void on_stalled(struct loop_io *io, uint32_t events)
{
    struct staller *p = CONTAINER_OF(io, struct staller, io);
    char data[256];

    (void)events;
    if (recv(p->fd, data, sizeof(data), 0) > 0)
        return; /* an alert */
    loop_io_stop(io);
    if (--*p->n_ended == 0)
        loop_stop(test_loop->loop);
}

static void stall(struct staller *p, const struct site *s, const char *words, size_t size)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons(http_server_port(s->server)),
    };

    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(p->fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(send(p->fd, words, size, MSG_NOSIGNAL), (ssize_t)size);
    assert_int_equal(loop_io_start(test_loop->loop, &p->io, p->fd, EPOLLIN, on_stalled), 0);
    ++*p->n_ended;
}

static void test_stalled_handshakes(void **state)
{
    static const struct {
        const char *words;
        size_t size;
    } cases[] = {
        {"",                                     0 }, /* sends nothing */
        {"\x16",                                 1 }, /* begins a TLS record */
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9 }, /* half a ClientHello */
        {"\x16\x03\x01\xff\xff\x01\x00\x01\xfc", 9 }, /* a record larger than allowed */
        {"SSH-2.0-OpenSSH_9.2\r\n",              21}, /* something else */
    };
    struct staller p[ARRAY_LEN(cases)];
    unsigned n = 0;
    struct outcome o;
    struct site s;

    (void)state;
    open_site_within(&s, IMPATIENT_MS);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        p[i] = (struct staller){.n_ended = &n};
        stall(&p[i], &s, cases[i].words, cases[i].size);
    }
    /* Other clients are served meanwhile. */
    call_with(&o, s.url, &(struct tls_trust_options){.ca_file = s.cert});
    assert_int_equal(o.code, 0);
    outcome_done(&o);
    assert_true(n > 0);
    loop_run(test_loop->loop);
    assert_int_equal(n, 0);
    assert_int_equal(s.n_requests, 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        close(p[i].fd);
    close_site(&s);
}

/* WebSocket over TLS, with messages far larger than a record */
struct talker {
    struct ws *ws;
    char *text;
    unsigned n_left;
    bool is_closed;
};

static void talk(struct talker *t)
{
    assert_int_equal(ws_send_text(t->ws, t->text, MESSAGE_SIZE), 0);
}

static void on_open(void *owner)
{
    talk(owner);
}

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    struct talker *t = owner;

    assert_false(is_binary);
    assert_int_equal(size, MESSAGE_SIZE);
    assert_memory_equal(data, t->text, size);
    if (--t->n_left) {
        talk(t);
    } else {
        ws_close(t->ws, WS_CLOSE_NORMAL, "");
    }
}

static void on_close(void *owner, const struct ws_close *why)
{
    struct talker *t = owner;

    assert_int_equal(why->code, WS_CLOSE_NORMAL);
    t->is_closed = true;
    loop_stop(test_loop->loop);
}

static void test_websocket(void **state)
{
    static const struct ws_handler talking = {
        .on_open = on_open, .on_message = on_message, .on_close = on_close};
    struct talker t = {.text = xmalloc(MESSAGE_SIZE), .n_left = 3};
    char url[80];
    struct ws_dial dial = {
        .url = url,
        .is_insecure = true,
        .limits = {.max_message = MESSAGE_SIZE, .max_queue = 2 * MESSAGE_SIZE},
        .handler = &talking,
        .owner = &t,
    };
    struct site s;

    (void)state;
    memset(t.text, 'z', MESSAGE_SIZE);
    open_site(&s);
    (void)snprintf(url, sizeof(url), "wss%s/ws", strchr(s.url, ':'));
    assert_int_equal(ws_connect(&t.ws, test_loop->loop, &dial, NULL), 0);
    while (!t.is_closed || s.peer)
        loop_turn(test_loop->loop);
    close_site(&s);
    free(t.text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, test_loop_setup, test_loop_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_trust),      TEST(test_pins_of_the_loop), TEST(test_large_bodies),
        TEST(test_plain_http), TEST(test_replaced_context), TEST(test_stalled_handshakes),
        TEST(test_websocket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
