/*
 * The kernel refuses to watch a descriptor, as it does when a user's watches or its memory run out:
 * the object that wanted the watch ends and reports that, later and from the loop. epoll_ctl() is
 * replaced by the linker.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "net/http_server.h"
#include "net/sock.h"
#include "net/stream.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

int __real_epoll_ctl(int epfd, int op, int fd, struct epoll_event *e);
int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *e);

static int refused_op = -1; /* EPOLL_CTL_ADD, EPOLL_CTL_MOD; -1: none */

int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *e)
{
    if (op == refused_op) {
        errno = ENOSPC;
        return -1;
    }
    return __real_epoll_ctl(epfd, op, fd, e);
}

struct fixture {
    struct loop *loop;
    struct loop_timer guard;
    struct sock_group group;
    struct sock *sock;
    int pair[2];
    int n_ends, code;
    size_t n_bytes;
    struct http_crowd crowd;
};

static struct fixture f;

static void on_guard(struct loop_timer *t)
{
    (void)t;
    fail_msg("the test hangs");
}

static void on_pause_over(struct loop_timer *t)
{
    loop_stop(t->loop);
}

static int setup(void **state)
{
    (void)state;
    f = (struct fixture){
        .pair = {-1, -1}
    };
    refused_op = -1;
    if (loop_new(&f.loop, &(struct loop_options){0}, NULL) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, f.pair) < 0)
        return -1;
    loop_timer_start(f.loop, &f.guard, 10000, on_guard);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    refused_op = -1;
    sock_free(f.sock);
    loop_timer_stop(&f.guard);
    loop_free(f.loop);
    closep(&f.pair[1]);
    return 0;
}

/* Sockets */

static void on_data(void *owner, unsigned char *data, size_t size)
{
    (void)owner;
    memset(data, 0, size); /* the receiver may write to it */
    f.n_bytes += size;
    loop_stop(f.loop);
}

static void on_writable(void *owner)
{
    (void)owner;
}

static void on_closed(void *owner, int code)
{
    assert_ptr_equal(owner, &f);
    f.n_ends++;
    f.code = code;
    sock_free(TAKE_PTR(f.sock));
    loop_stop(f.loop);
}

static const struct sock_ops ops = {
    .on_data = on_data, .on_writable = on_writable, .on_closed = on_closed};

static int open_sock(void)
{
    struct sock_options o = {.loop = f.loop, .ops = &ops, .owner = &f, .group = &f.group};

    o.fd = TAKE_FD(f.pair[0]);
    return sock_new(&f.sock, &o);
}

static void a_socket_that_cannot_be_watched_is_refused(void **state)
{
    char c;

    (void)state;
    refused_op = EPOLL_CTL_ADD;
    assert_int_equal(open_sock(), -ENOSPC);
    assert_null(f.sock);
    assert_int_equal(f.group.n_open, 0);
    assert_int_equal(f.n_ends, 0);
    assert_int_equal(recv(f.pair[1], &c, 1, 0), 0); /* it was closed */
}

static void a_socket_that_cannot_be_watched_again_ends(void **state)
{
    (void)state;
    assert_int_equal(open_sock(), 0);
    sock_pause(f.sock, true); /* which stops the watch */
    refused_op = EPOLL_CTL_ADD;
    sock_pause(f.sock, false);
    assert_int_equal(f.n_ends, 0); /* never from inside a call */
    loop_run(f.loop);
    assert_int_equal(f.n_ends, 1);
    assert_int_equal(f.code, -ENOSPC);
    assert_int_equal(f.group.n_open, 0);
}

static void a_refused_change_of_events_ends_a_socket(void **state)
{
    (void)state;
    assert_int_equal(open_sock(), 0);
    refused_op = EPOLL_CTL_MOD;
    sock_want_write(f.sock);
    assert_int_equal(f.n_ends, 0);
    loop_run(f.loop);
    assert_int_equal(f.n_ends, 1);
    assert_int_equal(f.code, -ENOSPC);
}

static void a_socket_freed_before_the_report_reports_nothing(void **state)
{
    (void)state;
    assert_int_equal(open_sock(), 0);
    refused_op = EPOLL_CTL_MOD;
    sock_want_write(f.sock);
    sock_free(TAKE_PTR(f.sock));
    loop_timer_start(f.loop, &f.guard, 20, on_pause_over);
    loop_run(f.loop);
    assert_int_equal(f.n_ends, 0);
}

/* Streams */

static void on_stream_open(void *owner)
{
    (void)owner;
}

static void on_stream_data(void *owner, const char *data, size_t size)
{
    (void)owner;
    (void)data;
    f.n_bytes += size;
}

static void on_stream_end(void *owner, int code, const char *message)
{
    (void)owner;
    (void)message;
    f.n_ends++;
    f.code = code;
    loop_stop(f.loop);
}

static const struct stream_handler stream_handler = {
    .on_open = on_stream_open, .on_data = on_stream_data, .on_end = on_stream_end};

static void format_error(int status, const char *detail, struct buf *body)
{
    (void)status;
    (void)buf_append_str(body, detail);
}

static void on_crowd(void *owner, const struct http_crowd *crowd)
{
    (void)owner;
    f.crowd = *crowd;
    loop_stop(f.loop);
}

static const struct http_handler http_handler = {.format_error = format_error};

static struct http_server *open_server(void)
{
    struct http_server *server = NULL;

    assert_int_equal(http_server_open(&server, f.loop,
                                      &(struct http_server_options){.host = "127.0.0.1",
                                                                    .max_connections = 10,
                                                                    .handler = &http_handler,
                                                                    .on_crowd = on_crowd},
                                      NULL),
                     0);
    return server;
}

static struct stream *dial(const struct http_server *server)
{
    _cleanup_free_ char *text = xasprintf("tcp://127.0.0.1:%u", http_server_port(server));
    struct address address;

    assert_int_equal(address_parse(&address, text, NULL), 0);
    return stream_open(&(struct stream_options){
        .loop = f.loop, .address = &address, .max_queue = 1000, .handler = &stream_handler});
}

static void a_stream_that_cannot_be_watched_ends(void **state)
{
    struct http_server *server = open_server();
    struct stream *s;

    (void)state;
    refused_op = EPOLL_CTL_ADD;
    s = dial(server);
    assert_int_equal(f.n_ends, 0);
    loop_run(f.loop);
    assert_int_equal(f.n_ends, 1);
    assert_int_equal(f.code, -ENOSPC);
    stream_free(s);
    refused_op = -1;
    http_server_close(server);
}

static void a_server_reports_it_and_goes_on(void **state)
{
    struct http_server *server = open_server();
    struct stream *first = dial(server), *second;
    static const char request[] = "not HTTP\r\n\r\n";

    (void)state;
    refused_op = EPOLL_CTL_ADD;
    loop_run(f.loop);
    assert_int_equal(f.crowd.error, -ENOSPC);
    refused_op = -1;
    second = dial(server);
    assert_int_equal(stream_write(second, request, strlen(request)), 0);
    f.n_ends = 0;
    while (f.n_bytes == 0) /* the answer of the server's second connection */
        loop_turn(f.loop);
    stream_free(first);
    stream_free(second);
    http_server_close(server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_socket_that_cannot_be_watched_is_refused),
        TEST(a_socket_that_cannot_be_watched_again_ends),
        TEST(a_refused_change_of_events_ends_a_socket),
        TEST(a_socket_freed_before_the_report_reports_nothing),
        TEST(a_stream_that_cannot_be_watched_ends),
        TEST(a_server_reports_it_and_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
