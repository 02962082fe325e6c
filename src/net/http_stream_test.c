#include "base/alloc.h"
#include "base/str.h"
#include "net/http_server.h"
#include "net/script_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define PIECES      50
#define PIECE_SIZE  ((size_t)64 * 1024)
#define MAX_QUEUE   ((size_t)100 * 1024)
#define PATIENCE_MS 20000
#define STALL_MS    300
#define GET(path)   "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

struct fixture {
    struct loop *loop;
    struct http_server *server;
    struct loop_timer timer, patience;
    uint64_t id;
    unsigned n_pieces, n_drains, n_gone, n_refused;
    bool is_late;
};

static void give(struct fixture *f)
{
    _cleanup_free_ char *piece = xmalloc(PIECE_SIZE);

    memset(piece, 'x', PIECE_SIZE);
    while (f->n_pieces < PIECES && http_stream_write(f->server, f->id, piece, PIECE_SIZE) == 0)
        f->n_pieces++;
    if (f->n_pieces < PIECES) {
        f->n_refused++;
        assert_true(http_stream_queued(f->server, f->id) > MAX_QUEUE - PIECE_SIZE - 100);
    } else {
        http_stream_end(f->server, f->id);
        http_stream_end(f->server, f->id); /* no harm */
        assert_int_equal(http_stream_write(f->server, f->id, "x", 1), -ENOTCONN);
    }
}

static void on_drain(void *owner)
{
    struct fixture *f = owner;

    if (f->n_drains++ == 0 && f->n_pieces == 0)
        return;
    give(f);
}

static void on_gone(void *owner)
{
    struct fixture *f = owner;

    f->n_gone++;
    loop_stop(f->loop);
}

static bool start(struct fixture *f, uint64_t id)
{
    static const struct http_stream_handler handler = {.on_drain = on_drain, .on_gone = on_gone};
    static const char *const headers[] = {"X-Extra", "1", NULL};

    f->id = id;
    return http_stream_start(f->server, id,
                             &(struct http_stream){.status = 200,
                                                   .content_type = "text/plain",
                                                   .headers = headers,
                                                   .max_queue = MAX_QUEUE,
                                                   .handler = &handler,
                                                   .owner = f});
}

static void on_tick(struct loop_timer *t)
{
    loop_stop(t->loop);
}

static void on_patience(struct loop_timer *t)
{
    struct fixture *f = CONTAINER_OF(t, struct fixture, patience);

    f->is_late = true;
    loop_stop(f->loop);
}

static void on_request(void *owner, const struct http_request *r)
{
    struct fixture *f = owner;

    if (str_eq(r->path, "/wait")) {
        f->id = r->id;
        return;
    }
    assert_true(start(f, r->id));
    assert_false(http_respond(f->server, r->id, &(struct http_response){.status = 200}));
    if (str_eq(r->path, "/pump"))
        give(f);
    if (str_eq(r->path, "/words")) {
        assert_int_equal(http_stream_write(f->server, r->id, "one\n", 4), 0);
        assert_int_equal(http_stream_write(f->server, r->id, "", 0), 0);
        assert_int_equal(http_stream_write(f->server, r->id, "and more\n", 9), 0);
        http_stream_end(f->server, r->id);
    }
}

static void format_error(int status, const char *detail, struct buf *body)
{
    assert_int_equal(buf_printf(body, "%d %s", status, detail), 0);
}

static int open_server(void **state, uint64_t stream_stall_ms)
{
    static const struct http_handler handler = {.on_request = on_request,
                                                .format_error = format_error};
    struct fixture *f = xcalloc(1, sizeof(*f));

    assert_int_equal(loop_new(&f->loop, &(struct loop_options){0}, NULL), 0);
    assert_int_equal(
        http_server_open(&f->server, f->loop,
                         &(struct http_server_options){.host = "127.0.0.1",
                                                       .max_connections = 10,
                                                       .stream_stall_ms = stream_stall_ms,
                                                       .handler = &handler,
                                                       .owner = f},
                         NULL),
        0);
    loop_timer_start(f->loop, &f->patience, PATIENCE_MS, on_patience);
    *state = f;
    return 0;
}

static int set_up(void **state)
{
    return open_server(state, 0);
}

static int set_up_impatient(void **state)
{
    return open_server(state, STALL_MS);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    loop_timer_stop(&f->timer);
    loop_timer_stop(&f->patience);
    http_server_close(f->server);
    loop_free(f->loop);
    free(f);
    return 0;
}

static char *ask(struct fixture *f, const char *request, const char *until)
{
    struct script s = {.port = http_server_port(f->server), .send = request, .until = until};

    script_run(f->loop, &s);
    assert_false(s.is_timeout);
    return buf_take(&s.reply);
}

static void test_chunks(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *reply = ask(f, GET("/words") GET("/words"), "0\r\n\r\nHTTP/1.1 200 OK");

    assert_non_null(strstr(reply, "\r\nTransfer-Encoding: chunked\r\n"));
    assert_non_null(strstr(reply, "\r\nContent-Type: text/plain\r\nX-Extra: 1\r\n"));
    assert_non_null(strstr(reply, "\r\n\r\n4\r\none\n\r\n9\r\nand more\n\r\n0\r\n\r\nHTTP/1.1"));
    assert_null(strstr(reply, "Content-Length"));
    assert_int_equal(f->n_gone, 0); /* on_gone is not for an orderly end */
}

static void test_without_chunks(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *old = ask(f, "GET /words HTTP/1.0\r\n\r\n", NULL);
    _cleanup_free_ char *head = ask(
        f, "HEAD /words HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", NULL);

    assert_null(strstr(old, "chunked"));
    assert_true(str_ends_with(old, "\r\nConnection: close\r\n\r\none\nand more\n"));
    assert_true(str_ends_with(head, "\r\n\r\n"));
}

static void test_back_pressure(void **state)
{
    struct fixture *f = *state;
    struct script s = {.port = http_server_port(f->server),
                       .send = "GET /pump HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                       .receive_buffer = 65536,
                       .n_trickle = 20};
    size_t n = 0;

    script_run(f->loop, &s);
    assert_false(s.is_timeout);
    for (const char *p = strstr(buf_str(&s.reply), "\r\n\r\n"); p && *p; p++)
        n += *p == 'x';
    assert_int_equal(n, PIECES * PIECE_SIZE);
    assert_true(f->n_refused > 1);
    buf_done(&s.reply);
}

/* The server notices that the client leaves without writing to it. */
static void test_gone(void **state)
{
    struct fixture *f = *state;
    struct script s = {
        .port = http_server_port(f->server), .send = GET("/quiet"), .until = "\r\n\r\n"};

    script_run(f->loop, &s); /* it closes with the end of the head */
    buf_done(&s.reply);
    if (!f->n_gone)
        loop_run(f->loop);
    assert_int_equal(f->n_gone, 1);
    assert_int_equal(http_stream_write(f->server, f->id, "x", 1), -ENOTCONN);
    assert_false(f->is_late);
}

static void test_gone_while_waiting(void **state)
{
    struct fixture *f = *state;
    struct script s = {
        .port = http_server_port(f->server), .send = GET("/wait"), .is_closing = true};

    script_run(f->loop, &s);
    buf_done(&s.reply);
    while (!f->id && !f->is_late)
        loop_turn(f->loop);
    for (int i = 0; i < 3; i++) { /* the end came with the request, or right behind it */
        loop_timer_start(f->loop, &f->timer, 20, on_tick);
        loop_run(f->loop);
    }
    assert_false(start(f, f->id));
    assert_false(f->is_late);
}

static void wait_ms(struct fixture *f, uint64_t ms)
{
    loop_timer_start(f->loop, &f->timer, ms, on_tick);
    loop_run(f->loop);
}

/* Sends the request and reads nothing. */
static int ask_silently(struct fixture *f, const char *request)
{
    int fd = script_connect(http_server_port(f->server));

    assert_true(fd >= 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    return fd;
}

/* The reader of a full queue is dropped; the reader of an empty one may be silent for ever. */
static void test_reader_that_takes_nothing_is_dropped(void **state)
{
    struct fixture *f = *state;
    int fd = ask_silently(f, GET("/quiet"));

    wait_ms(f, UINT64_C(3) * STALL_MS);
    assert_int_equal(f->n_gone, 0);
    close(fd);
    loop_run(f->loop);
    assert_int_equal(f->n_gone, 1);

    fd = ask_silently(f, GET("/pump"));
    loop_run(f->loop);
    assert_int_equal(f->n_gone, 2);
    assert_true(f->n_refused > 0 && f->n_pieces < PIECES);
    assert_false(f->is_late);
    close(fd);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_chunks),
        TEST(test_without_chunks),
        TEST(test_back_pressure),
        TEST(test_gone),
        TEST(test_gone_while_waiting),
        cmocka_unit_test_setup_teardown(test_reader_that_takes_nothing_is_dropped, set_up_impatient,
                                        tear_down),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
