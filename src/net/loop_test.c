#include "base/alloc.h"
#include "base/time.h"
#include "net/client_fixture.h"
#include "net/loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/* Timers */

struct alarm {
    struct loop_timer timer;
    int id;
};

static int fired[16];
static size_t n_fired;

static void on_alarm(struct loop_timer *t)
{
    const struct alarm *a = CONTAINER_OF(t, struct alarm, timer);

    assert_false(loop_timer_is_running(t));
    fired[n_fired++] = a->id;
}

static void on_stop(struct loop_timer *t)
{
    (void)t;
    loop_stop(test_loop->loop);
}

static void test_timers_fire_in_order(void **state)
{
    struct alarm a[] = {
        {.id = 1}, {.id = 2}, {.id = 3}, {.id = 4}, {.id = 5},
    };
    struct loop_timer end = {0};

    (void)state;
    n_fired = 0;
    loop_timer_start(test_loop->loop, &end, 40, on_stop);
    loop_timer_start(test_loop->loop, &a[0].timer, 30, on_alarm);
    loop_timer_start(test_loop->loop, &a[1].timer, 10, on_alarm);
    loop_timer_start(test_loop->loop, &a[2].timer, 20, on_alarm);
    loop_timer_start(test_loop->loop, &a[3].timer, 5, on_alarm);
    loop_timer_start(test_loop->loop, &a[4].timer, 1, on_alarm);
    loop_timer_stop(&a[3].timer);
    loop_timer_stop(&a[3].timer);
    loop_timer_start(test_loop->loop, &a[4].timer, 25, on_alarm);
    assert_false(loop_timer_is_running(&a[3].timer));
    assert_true(loop_timer_is_running(&a[4].timer));
    loop_run(test_loop->loop);
    assert_int_equal(n_fired, 4);
    assert_int_equal(fired[0], 2);
    assert_int_equal(fired[1], 3);
    assert_int_equal(fired[2], 5);
    assert_int_equal(fired[3], 1);
}

static void test_many_timers(void **state)
{
    struct alarm *a = xcalloc(1000, sizeof(*a));
    struct loop_timer end = {0};

    (void)state;
    for (size_t i = 0; i < 1000; i++)
        loop_timer_start(test_loop->loop, &a[i].timer, 5000 + i * 7919 % 1000, on_alarm);
    for (size_t i = 0; i < 1000; i += 3)
        loop_timer_stop(&a[i].timer);
    loop_timer_start(test_loop->loop, &end, 1, on_stop);
    loop_run(test_loop->loop);
    for (size_t i = 0; i < 1000; i++)
        loop_timer_stop(&a[i].timer);
    free(a);
}

static uint64_t times_left;

static void on_again(struct loop_timer *t)
{
    if (--times_left == 0) {
        loop_stop(test_loop->loop);
    } else {
        loop_timer_start(test_loop->loop, t, 0, on_again);
    }
}

static void test_timer_restarts_itself(void **state)
{
    struct loop_timer t = {0};

    (void)state;
    times_left = 500;
    loop_timer_start(test_loop->loop, &t, 0, on_again);
    loop_run(test_loop->loop);
    assert_int_equal(times_left, 0);
}

static void on_forever(struct loop_timer *t)
{
    loop_timer_start(test_loop->loop, t, 0, on_forever);
}

struct watcher {
    struct loop_io io;
    struct watcher *other;
    int n;
};

/* Leaves its descriptor readable. */
static void on_readable(struct loop_io *io, uint32_t events)
{
    struct watcher *w = CONTAINER_OF(io, struct watcher, io);

    assert_true(events & EPOLLIN);
    w->n++;
    loop_stop(test_loop->loop);
}

/* A timer that restarts itself with no delay leaves a turn to the others. */
static void test_timer_does_not_starve(void **state)
{
    struct loop_timer t = {0};
    struct watcher w = {0};
    int fd = eventfd(1, EFD_CLOEXEC);

    (void)state;
    loop_timer_start(test_loop->loop, &t, 0, on_forever);
    assert_int_equal(loop_io_start(test_loop->loop, &w.io, fd, EPOLLIN, on_readable), 0);
    loop_run(test_loop->loop);
    assert_int_equal(w.n, 1);
    loop_timer_stop(&t);
    loop_io_stop(&w.io);
    close(fd);
}

static void test_timer_waits_its_time(void **state)
{
    struct loop_timer t = {0};
    uint64_t before = time_monotonic_ms();
    uint64_t took;

    (void)state;
    loop_timer_start(test_loop->loop, &t, 50, on_stop);
    loop_run(test_loop->loop);
    took = time_monotonic_ms() - before;
    assert_in_range(took, 49, 5000);
}

static void on_far_away(struct loop_timer *t)
{
    (void)t;
    fail_msg("a timer of half a billion years has fired");
}

static void test_timer_far_away(void **state)
{
    struct loop_timer t = {0};
    struct loop_timer end = {0};

    (void)state;
    loop_timer_start(test_loop->loop, &t, UINT64_MAX, on_far_away);
    loop_timer_start(test_loop->loop, &end, 1, on_stop);
    loop_run(test_loop->loop);
    assert_true(loop_timer_is_running(&t));
    loop_timer_stop(&t);
}

/* Stop */

static void test_stop_before_run(void **state)
{
    (void)state;
    loop_stop(test_loop->loop);
    loop_run(test_loop->loop);
}

static void test_run_again(void **state)
{
    struct loop_timer end = {0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        loop_timer_start(test_loop->loop, &end, 1, on_stop);
        loop_run(test_loop->loop);
    }
}

/* Turns */

static void test_turn(void **state)
{
    struct alarm a = {.id = 1};
    struct watcher w = {0};
    int fd = eventfd(1, EFD_CLOEXEC);

    (void)state;
    n_fired = 0;
    assert_int_equal(loop_io_start(test_loop->loop, &w.io, fd, EPOLLIN, on_readable), 0);
    for (int n = 1; n <= 3; n++) {
        loop_turn(test_loop->loop);
        assert_int_equal(w.n, n);
    }
    loop_io_stop(&w.io);
    close(fd);

    loop_timer_start(test_loop->loop, &a.timer, 5, on_alarm);
    while (n_fired == 0)
        loop_turn(test_loop->loop);
}

static void *write_to(void *arg)
{
    const uint64_t one = 1;

    return write(*(const int *)arg, &one, sizeof(one)) < 0 ? arg : NULL;
}

static void test_news_from_a_thread(void **state)
{
    struct watcher w = {0};
    int fd = eventfd(0, EFD_CLOEXEC);
    pthread_t thread;

    (void)state;
    assert_int_equal(loop_io_start(test_loop->loop, &w.io, fd, EPOLLIN, on_readable), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_to, &fd), 0);
    loop_run(test_loop->loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(w.n, 1);
    loop_io_stop(&w.io);
    close(fd);
}

/* Signals */

static void on_signal(void *owner, int signal)
{
    *(int *)owner = signal;
    loop_stop(test_loop->loop);
}

static void test_signals(void **state)
{
    const int signals[] = {SIGUSR1, SIGUSR2};
    int got = 0;

    (void)state;
    assert_int_equal(loop_on_signals(test_loop->loop, signals, ARRAY_LEN(signals), on_signal, &got),
                     0);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    loop_run(test_loop->loop);
    assert_int_equal(got, SIGUSR2);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    loop_run(test_loop->loop);
    assert_int_equal(got, SIGUSR1);
}

/* Watches */

static void on_first_of_two(struct loop_io *io, uint32_t events)
{
    struct watcher *w = CONTAINER_OF(io, struct watcher, io);

    assert_true(events & EPOLLIN);
    w->n++;
    /*
     * Both are ready in the same turn: the first to run stops the other, which may then be freed.
     */
    loop_io_stop(&w->other->io);
    loop_io_stop(&w->io);
    loop_stop(test_loop->loop);
}

static void test_watch_stopped_in_its_turn(void **state)
{
    struct watcher a = {0};
    struct watcher b = {.other = &a};
    int pair[2][2];

    (void)state;
    a.other = &b;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair[i]), 0);
        assert_int_equal(write(pair[i][0], "x", 1), 1);
    }
    assert_int_equal(loop_io_start(test_loop->loop, &a.io, pair[0][1], EPOLLIN, on_first_of_two),
                     0);
    assert_int_equal(loop_io_start(test_loop->loop, &b.io, pair[1][1], EPOLLIN, on_first_of_two),
                     0);
    loop_run(test_loop->loop);
    assert_int_equal(a.n + b.n, 1);
    loop_io_stop(&a.io);
    for (size_t i = 0; i < 2; i++) {
        close(pair[i][0]);
        close(pair[i][1]);
    }
}

static void on_writable(struct loop_io *io, uint32_t events)
{
    struct watcher *w = CONTAINER_OF(io, struct watcher, io);

    if (events & EPOLLOUT) {
        w->n++;
        assert_int_equal(loop_io_set(io, EPOLLIN), 0);
        assert_int_equal(write(io->fd, "x", 1), 1);
        return;
    }
    assert_true(events & EPOLLIN);
    loop_stop(test_loop->loop);
}

static void test_watch_changes_events(void **state)
{
    struct watcher w = {0};
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(write(pair[0], "x", 1), 1);
    assert_int_equal(loop_io_start(test_loop->loop, &w.io, pair[1], EPOLLOUT, on_writable), 0);
    loop_run(test_loop->loop);
    assert_int_equal(w.n, 1);
    loop_io_stop(&w.io);
    close(pair[0]);
    close(pair[1]);
}

static void test_watch_of_no_descriptor(void **state)
{
    struct loop_io io = {0};

    (void)state;
    assert_int_equal(loop_io_start(test_loop->loop, &io, 9999, EPOLLIN, on_writable), -EBADF);
    loop_io_stop(&io);
}

/* TLS */

static void test_tls_context(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_non_null(loop_tls_trust(test_loop->loop, &err));
    assert_ptr_equal(loop_tls_trust(test_loop->loop, &err), loop_tls_trust(test_loop->loop, &err));
}

static void test_bad_ca_file(void **state)
{
    const struct loop_options o = {.ca_file = "/nonexistent/ca.pem"};
    struct error err = ERROR_INIT;
    struct loop *loop;

    (void)state;
    assert_int_equal(loop_new(&loop, &o, &err), 0);
    assert_null(loop_tls_trust(loop, &err));
    assert_non_null(strstr(err.msg, "/nonexistent/ca.pem"));
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_timers_fire_in_order),
        TEST(test_many_timers),
        TEST(test_timer_restarts_itself),
        TEST(test_timer_does_not_starve),
        TEST(test_timer_waits_its_time),
        TEST(test_timer_far_away),
        TEST(test_stop_before_run),
        TEST(test_run_again),
        TEST(test_turn),
        TEST(test_news_from_a_thread),
        TEST(test_signals),
        TEST(test_watch_stopped_in_its_turn),
        TEST(test_watch_changes_events),
        TEST(test_watch_of_no_descriptor),
        TEST(test_tls_context),
        TEST(test_bad_ca_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
