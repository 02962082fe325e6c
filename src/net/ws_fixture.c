#include "net/ws_fixture.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PATIENCE_MS 5000

static void note(struct end *e, const char *text)
{
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
    char text[256];

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
        (void)snprintf(text, sizeof(text), "%c:%zu bytes;", is_binary ? 'b' : 't', size);
    } else {
        (void)snprintf(text, sizeof(text), "%c:%.*s;", is_binary ? 'b' : 't', (int)size, data);
    }
    note(e, text);
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
    char text[256];

    e->ws = NULL;
    (void)snprintf(text, sizeof(text), "close:%u:%s:%s;", why->code, why->reason,
                   why->error ? strerrorname_np(-why->error) : "0");
    note(e, text);
}

static void on_receipt(void *owner, uint64_t number)
{
    char text[40];

    (void)snprintf(text, sizeof(text), "receipt:%" PRIu64 ";", number);
    note(owner, text);
}

const struct ws_handler ws_fixture_handler = {
    .on_open = on_open,
    .on_message = on_message,
    .on_pong = on_pong,
    .on_receipt = on_receipt,
    .on_drain = on_drain,
    .on_close = on_close,
};

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
        .limits = f->limits, .handler = &ws_fixture_handler, .on_accept = on_accept, .owner = f};
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

static const struct http_handler http_handler = {
    .on_request = on_request,
    .on_upgrade = on_upgrade,
    .format_error = format_error,
};

static void end_init(struct end *e, struct fixture *f)
{
    e->f = f;
    buf_init(&e->log, 65536);
}

int ws_fixture_set_up(void **state)
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

int ws_fixture_tear_down(void **state)
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

bool run_for(struct fixture *f, uint64_t ms)
{
    f->was_patient = true;
    loop_timer_start(f->loop, &f->patience, ms, on_impatient);
    loop_run(f->loop);
    loop_timer_stop(&f->patience);
    return f->was_patient;
}

void run_until(struct end *e, const char *wanted)
{
    if (strstr(buf_str(&e->log), wanted))
        return;
    e->wanted = wanted;
    if (!run_for(e->f, PATIENCE_MS))
        fail_msg("waited for %s, had %s", wanted, buf_str(&e->log));
    e->wanted = NULL;
}

int dial(struct fixture *f, uint16_t port, const char *path, const struct ws_limits *limits)
{
    char url[100];
    struct ws_dial d = {
        .url = url, .connect_timeout_ms = 200, .handler = &ws_fixture_handler, .owner = &f->client};

    d.limits = limits ? *limits
                      : (struct ws_limits){.max_message = 2 * LARGE, .max_queue = 2 * LARGE};
    (void)snprintf(url, sizeof(url), "ws://127.0.0.1:%u%s", port, path);
    return ws_connect(&f->client.ws, f->loop, &d, NULL);
}

void connect_ends(struct fixture *f)
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

void assert_log(const struct end *e, const char *want)
{
    assert_string_equal(buf_str(&e->log), want);
}

int send_text(struct end *e, const char *text)
{
    return ws_send_text(e->ws, text, strlen(text));
}
