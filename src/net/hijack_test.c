#include "base/alloc.h"
#include "base/buf.h"
#include "net/client_fixture.h"
#include "net/hijack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_101                                                                             \
    "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: " \
    "Upgrade\r\nUpgrade: tcp\r\n\r\n"
#define ANSWER_200 "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
#define ANSWER_409 \
    "HTTP/1.1 409 Conflict\r\nContent-Length: 24\r\n\r\n{\"message\":\"is paused\"}\n"

/* One side of a conversation with the test's server. */
struct talk {
    struct hijack *hijack;
    int n_open;
    int n_done;
    int code;
    int status;
    char message[512];
    char body[256];
    struct buf received;
    const char *say; /* at on_open */
    bool is_cancelled_on_open;
    bool is_cancelled_on_data;
    bool pauses;
    struct loop_timer resume;
};

static void on_open(void *owner)
{
    struct talk *t = owner;

    t->n_open++;
    assert_int_equal(t->n_done, 0);
    if (t->say) {
        assert_int_equal(hijack_write(t->hijack, t->say, strlen(t->say)), 0);
        assert_int_equal(hijack_shutdown_write(t->hijack), 0);
        assert_int_equal(hijack_shutdown_write(t->hijack), -EPIPE);
        assert_int_equal(hijack_write(t->hijack, "x", 1), -EPIPE);
    }
    if (t->is_cancelled_on_open) {
        hijack_cancel(t->hijack);
        loop_stop(test_loop->loop);
    }
}

static void on_resume(struct loop_timer *timer)
{
    struct talk *t = CONTAINER_OF(timer, struct talk, resume);

    hijack_pause(t->hijack, false);
}

static void on_data(void *owner, const void *data, size_t size)
{
    struct talk *t = owner;

    assert_int_equal(t->n_open, 1);
    assert_true(size > 0);
    assert_int_equal(buf_append(&t->received, data, size), 0);
    if (t->pauses && !loop_timer_is_running(&t->resume)) {
        hijack_pause(t->hijack, true);
        loop_timer_start(test_loop->loop, &t->resume, 1, on_resume);
    }
    if (t->is_cancelled_on_data) {
        hijack_cancel(t->hijack);
        loop_stop(test_loop->loop);
    }
}

static void on_done(void *owner, const struct http_result *r)
{
    struct talk *t = owner;

    t->n_done++;
    t->code = r->code;
    t->status = r->status;
    assert_non_null(r->content_type);
    (void)snprintf(t->message, sizeof(t->message), "%s", r->message);
    (void)snprintf(t->body, sizeof(t->body), "%s", r->body);
    assert_int_equal(hijack_write(t->hijack, "x", 1), -ENOTCONN);
    hijack_pause(t->hijack, true);
    hijack_cancel(t->hijack); /* harmless here */
    loop_stop(test_loop->loop);
}

static void start(struct talk *t, const char *address, uint64_t connect_timeout_ms)
{
    static const char body[] = "{\"Tty\":true}";
    struct error err = ERROR_INIT;

    t->received = BUF_INIT(SIZE_MAX / 2);
    if (hijack_start(&t->hijack, test_loop->loop,
                     &(struct hijack_options){.address = address,
                                              .path = "/exec/1/start",
                                              .body = body,
                                              .body_size = strlen(body),
                                              .max_queue = 100000,
                                              .connect_timeout_ms = connect_timeout_ms,
                                              .on_open = on_open,
                                              .on_data = on_data,
                                              .done = on_done,
                                              .owner = t},
                     &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(t->n_open + t->n_done, 0);
}

static struct test_server *serve(const char *answer, size_t size, unsigned flags)
{
    struct test_server *server = xcalloc(1, sizeof(*server));

    test_server_start(server, answer, size, flags);
    return server;
}

static void stop(struct test_server *server, struct talk *t)
{
    loop_timer_stop(&t->resume);
    buf_done(&t->received);
    test_server_stop(server);
    free(server);
}

static void test_conversation(void **state)
{
    static const char *const answers[] = {ANSWER_101, ANSWER_200, ANSWER_101 "early bird "};
    static const unsigned flavours[] = {SERVE_ECHO, SERVE_ECHO | SERVE_BYTEWISE,
                                        SERVE_ECHO | SERVE_TCP};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers) * ARRAY_LEN(flavours); i++) {
        const char *answer = answers[i / ARRAY_LEN(flavours)];
        struct test_server *server = serve(answer, strlen(answer),
                                           flavours[i % ARRAY_LEN(flavours)]);
        struct talk t = {.say = "hello, process"};

        start(&t, server->address, 0);
        loop_run(test_loop->loop);
        assert_int_equal(t.n_open, 1);
        assert_int_equal(t.n_done, 1);
        assert_int_equal(t.code, 0);
        assert_int_equal(t.status, 101);
        assert_string_equal(buf_str(&t.received), i >= 2 * ARRAY_LEN(flavours)
                                                      ? "early bird hello, process"
                                                      : "hello, process");
        assert_non_null(strstr(server->request, "POST /exec/1/start HTTP/1.1\r\n"));
        assert_non_null(strstr(server->request, "\r\nUpgrade: tcp\r\n"));
        assert_non_null(strstr(server->request, "\r\nConnection: Upgrade\r\n"));
        assert_non_null(strstr(server->request, "\r\n\r\n{\"Tty\":true}"));
        stop(server, &t);
    }
}

/* Bytes that are written before the upgrade follow it, not earlier. */
static void test_early_input(void **state)
{
    struct test_server *server = serve(ANSWER_101, strlen(ANSWER_101), SERVE_ECHO);
    char *big = xcalloc(1, 100001);
    struct talk t = {0};

    (void)state;
    memset(big, 'b', 100001);
    start(&t, server->address, 0);
    assert_int_equal(hijack_write(t.hijack, big, 100001), -ENOBUFS);
    assert_int_equal(hijack_write(t.hijack, "one ", 4), 0);
    assert_int_equal(hijack_write(t.hijack, big, 99990), 0);
    assert_int_equal(hijack_write(t.hijack, " two", 7), -ENOBUFS);
    assert_int_equal(hijack_write(t.hijack, " two", 4), 0);
    assert_int_equal(hijack_shutdown_write(t.hijack), 0);
    assert_int_equal(hijack_write(t.hijack, "x", 1), -EPIPE);
    loop_run(test_loop->loop);
    assert_int_equal(t.n_done, 1);
    assert_int_equal(t.code, 0);
    assert_int_equal(t.received.size, 99998);
    assert_memory_equal(t.received.data, "one b", 5);
    assert_memory_equal(t.received.data + 99993, "b two", 5);
    stop(server, &t);
    free(big);
}

static void test_refused(void **state)
{
    static const struct {
        const char *answer;
        unsigned flags;
        int code;
        int status;
        const char *body;
    } cases[] = {
        {ANSWER_409,                                                                         0,              0,           409, "{\"message\":\"is paused\"}\n"},
        {ANSWER_409,                                                                         SERVE_BYTEWISE, 0,           409, "{\"message\":\"is paused\"}\n"},
        {"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
         SERVE_HANG,                                                                                         0,           404, "no"                           },
        {"HTTP/1.1 500 Oops\r\n\r\nuntil the end",                                           0,              0,           500, "until the end"                },
        {"HTTP/1.1 409 Conflict\r\nContent-Length: 9\r\n\r\ncut",                            0,              -ECONNRESET, 409, "cut"                          },
        {"HTTP/1.1 1",                                                                       0,              -ECONNRESET, 0,   ""                             },
        {"nonsense\r\n",                                                                     SERVE_HANG,     -EPROTO,     0,   ""                             },
        {"",                                                                                 SERVE_RESET,    -ECONNRESET, 0,   ""                             },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct test_server *server = serve(cases[i].answer, strlen(cases[i].answer),
                                           cases[i].flags);
        struct talk t = {0};

        start(&t, server->address, 0);
        loop_run(test_loop->loop);
        assert_int_equal(t.n_open, 0);
        assert_int_equal(t.n_done, 1);
        assert_int_equal(t.code, cases[i].code);
        assert_int_equal(t.status, cases[i].status);
        assert_string_equal(t.body, cases[i].body);
        stop(server, &t);
    }
}

static void test_head_limit(void **state)
{
    static const char start_of_it[] = "HTTP/1.1 101 UPGRADED\r\nX: ";
    char answer[20000];
    struct test_server *server;
    struct talk t = {0};

    (void)state;
    memset(answer, 'x', sizeof(answer));
    memcpy(answer, start_of_it, sizeof(start_of_it) - 1);
    server = serve(answer, sizeof(answer), SERVE_HANG);
    start(&t, server->address, 0);
    loop_run(test_loop->loop);
    assert_int_equal(t.code, -EPROTO);
    assert_non_null(strstr(t.message, "too large"));
    stop(server, &t);
}

static void test_deadline(void **state)
{
    struct test_server *server = serve("HTTP/1.1 101", 12, SERVE_HANG);
    struct talk t = {0};

    (void)state;
    start(&t, server->address, 30);
    loop_run(test_loop->loop);
    assert_int_equal(t.code, -ETIMEDOUT);
    stop(server, &t);
}

static void on_patience(struct loop_timer *timer)
{
    (void)timer;
    loop_stop(test_loop->loop);
}

/* Lets the loop turn for a while. */
static void turn_for(uint64_t ms)
{
    struct loop_timer patience = {0};

    loop_timer_start(test_loop->loop, &patience, ms, on_patience);
    loop_run(test_loop->loop);
    loop_timer_stop(&patience);
}

/* The deadline is that of the upgrade: an open connection lasts as long as its process. */
static void test_open_connection_has_no_deadline(void **state)
{
    struct test_server *server = serve(ANSWER_101 "data", strlen(ANSWER_101 "data"), SERVE_HANG);
    struct talk t = {0};

    (void)state;
    start(&t, server->address, 100);
    turn_for(300);
    assert_int_equal(t.n_open, 1);
    assert_int_equal(t.n_done, 0);
    assert_string_equal(buf_str(&t.received), "data");
    hijack_cancel(t.hijack);
    stop(server, &t);
}

/* A refusal whose body does not end is under the deadline. */
static void test_endless_refusal(void **state)
{
    static const char answer[] = "HTTP/1.1 409 Conflict\r\nContent-Length: 9\r\n\r\nwait";
    struct test_server *server = serve(answer, strlen(answer), SERVE_HANG);
    struct talk t = {0};

    (void)state;
    start(&t, server->address, 100);
    loop_run(test_loop->loop);
    assert_int_equal(t.n_open, 0);
    assert_int_equal(t.code, -ETIMEDOUT);
    stop(server, &t);
}

/* A peer that upgrades before it has read the request leaves room for the early input. */
static void test_upgrade_before_the_request_is_read(void **state)
{
    struct test_server *server = serve(ANSWER_101, strlen(ANSWER_101), SERVE_DEAF | SERVE_HANG);
    struct error err = ERROR_INIT;
    size_t size = 8000000; /* no socket buffer takes as much */
    char *body = xmalloc(size);
    struct talk t = {.received = BUF_INIT(1000)};

    (void)state;
    memset(body, 'b', size);
    assert_int_equal(hijack_start(&t.hijack, test_loop->loop,
                                  &(struct hijack_options){.address = server->address,
                                                           .path = "/",
                                                           .body = body,
                                                           .body_size = size,
                                                           .max_queue = size,
                                                           .on_open = on_open,
                                                           .on_data = on_data,
                                                           .done = on_done,
                                                           .owner = &t},
                                  &err),
                     0);
    assert_int_equal(hijack_write(t.hijack, body, size), 0);
    assert_int_equal(hijack_shutdown_write(t.hijack), 0);
    turn_for(200);
    assert_int_equal(t.n_open, 1);
    assert_int_equal(t.n_done, 0);
    assert_true(hijack_queued(t.hijack) > size);
    hijack_cancel(t.hijack);
    stop(server, &t);
    free(body);
}

static void test_cannot_connect(void **state)
{
    struct talk t = {0};

    (void)state;
    start(&t, "unix:///nonexistent/s", 0);
    loop_run(test_loop->loop);
    assert_int_equal(t.n_done, 1);
    assert_int_equal(t.code, -ENOENT);
    assert_string_equal(t.message, "connect /nonexistent/s: No such file or directory");
}

static void test_bad_path(void **state)
{
    struct error err = ERROR_INIT;
    struct hijack *h = NULL;

    (void)state;
    assert_int_equal(hijack_start(&h, test_loop->loop,
                                  &(struct hijack_options){.address = "unix:///s", .path = "/a b"},
                                  &err),
                     -EINVAL);
    assert_null(h);
}

/* A reader that pauses gets everything, although the peer has closed meanwhile. */
static void test_back_pressure(void **state)
{
    static const char head[] = ANSWER_101;
    size_t size = 2000000;
    char *answer = xmalloc(size);
    struct test_server *server;
    struct talk t = {.pauses = true};

    (void)state;
    memset(answer, 'z', size);
    memcpy(answer, head, sizeof(head) - 1);
    server = serve(answer, size, 0);
    start(&t, server->address, 0);
    loop_run(test_loop->loop);
    assert_int_equal(t.code, 0);
    assert_int_equal(t.received.size, size - strlen(head));
    stop(server, &t);
    free(answer);
}

/* A peer that does not read fills the queue to its maximum and no further. */
static void on_full_open(void *owner)
{
    struct talk *t = owner;
    static char block[10000];
    int r = 0;
    size_t n = 0;

    while ((r = hijack_write(t->hijack, block, sizeof(block))) == 0)
        assert_true(++n < 1000);
    assert_int_equal(r, -ENOBUFS);
    hijack_cancel(t->hijack);
    loop_stop(test_loop->loop);
}

static void test_full_queue(void **state)
{
    struct test_server *server = serve(ANSWER_101, strlen(ANSWER_101), SERVE_DEAF | SERVE_HANG);
    struct error err = ERROR_INIT;
    struct talk t = {0};

    (void)state;
    assert_int_equal(hijack_start(&t.hijack, test_loop->loop,
                                  &(struct hijack_options){.address = server->address,
                                                           .path = "/",
                                                           .max_queue = 100000,
                                                           .on_open = on_full_open,
                                                           .on_data = on_data,
                                                           .done = on_done,
                                                           .owner = &t},
                                  &err),
                     0);
    loop_run(test_loop->loop);
    assert_int_equal(t.n_done, 0);
    stop(server, &t);
}

static void test_cancel(void **state)
{
    static const char answer[] = ANSWER_101 "some data";
    struct talk talks[] = {
        {.is_cancelled_on_open = true},
        {.is_cancelled_on_data = true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(talks); i++) {
        struct test_server *server = serve(answer, strlen(answer), SERVE_HANG);

        start(&talks[i], server->address, 0);
        loop_run(test_loop->loop);
        assert_int_equal(talks[i].n_open, 1);
        assert_int_equal(talks[i].n_done, 0);
        stop(server, &talks[i]);
    }
}

static void test_cancel_at_once(void **state)
{
    struct test_server *server = serve(ANSWER_101, strlen(ANSWER_101), SERVE_HANG);
    struct talk t = {0};

    (void)state;
    start(&t, server->address, 0);
    hijack_cancel(t.hijack);
    assert_int_equal(t.n_open + t.n_done, 0);
    stop(server, &t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_conversation),    TEST(test_early_input),
        TEST(test_refused),         TEST(test_open_connection_has_no_deadline),
        TEST(test_endless_refusal), TEST(test_upgrade_before_the_request_is_read),
        TEST(test_head_limit),      TEST(test_deadline),
        TEST(test_cannot_connect),  TEST(test_bad_path),
        TEST(test_back_pressure),   TEST(test_full_queue),
        TEST(test_cancel),          TEST(test_cancel_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
