#include "base/alloc.h"
#include "base/time.h"
#include "net/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <uv.h>

#include <cmocka.h>

/* Every test runs on both loops: the fixture is the loop, its state names the flavour. */
struct fixture {
    bool is_uv;
    uv_loop_t uv;
    struct loop *loop;
    struct loop_timer guard;
};

static struct fixture *fixture;

static void on_guard(struct loop_timer *t)
{
    (void)t;
    fail_msg("the test hangs");
}

static int setup(void **state)
{
    struct loop_options o = {0};
    struct error err = ERROR_INIT;

    fixture = xcalloc(1, sizeof(*fixture));
    fixture->is_uv = *(bool *)*state;
    if (fixture->is_uv) {
        assert_int_equal(uv_loop_init(&fixture->uv), 0);
        o.uv_loop = &fixture->uv;
    }
    assert_int_equal(loop_new(&fixture->loop, &o, &err), 0);
    loop_timer_start(fixture->loop, &fixture->guard, 20000, on_guard);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_timer_stop(&fixture->guard);
    loop_free(fixture->loop);
    if (fixture->is_uv)
        assert_int_equal(uv_loop_close(&fixture->uv), 0); /* no handle left behind */
    free(fixture);
    return 0;
}

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
    loop_stop(fixture->loop);
}

static void test_timers_fire_in_order(void **state)
{
    struct alarm a[] = {
        {.id = 1}, {.id = 2}, {.id = 3}, {.id = 4}, {.id = 5},
    };
    struct loop_timer end = {0};

    (void)state;
    n_fired = 0;
    loop_timer_start(fixture->loop, &end, 40, on_stop);
    loop_timer_start(fixture->loop, &a[0].timer, 30, on_alarm);
    loop_timer_start(fixture->loop, &a[1].timer, 10, on_alarm);
    loop_timer_start(fixture->loop, &a[2].timer, 20, on_alarm);
    loop_timer_start(fixture->loop, &a[3].timer, 5, on_alarm);
    loop_timer_start(fixture->loop, &a[4].timer, 1, on_alarm);
    loop_timer_stop(&a[3].timer);
    loop_timer_stop(&a[3].timer);
    loop_timer_start(fixture->loop, &a[4].timer, 25, on_alarm);
    assert_false(loop_timer_is_running(&a[3].timer));
    assert_true(loop_timer_is_running(&a[4].timer));
    loop_run(fixture->loop);
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
        loop_timer_start(fixture->loop, &a[i].timer, 5000 + i * 7919 % 1000, on_alarm);
    for (size_t i = 0; i < 1000; i += 3)
        loop_timer_stop(&a[i].timer);
    loop_timer_start(fixture->loop, &end, 1, on_stop);
    loop_run(fixture->loop);
    for (size_t i = 0; i < 1000; i++)
        loop_timer_stop(&a[i].timer);
    free(a);
}

static uint64_t times_left;

static void on_again(struct loop_timer *t)
{
    if (--times_left == 0)
        loop_stop(fixture->loop);
    else
        loop_timer_start(fixture->loop, t, 0, on_again);
}

static void test_timer_restarts_itself(void **state)
{
    struct loop_timer t = {0};

    (void)state;
    times_left = 500;
    loop_timer_start(fixture->loop, &t, 0, on_again);
    loop_run(fixture->loop);
    assert_int_equal(times_left, 0);
}

static void test_timer_waits_its_time(void **state)
{
    struct loop_timer t = {0};
    uint64_t before = time_monotonic_ms();
    uint64_t took;

    (void)state;
    loop_timer_start(fixture->loop, &t, 50, on_stop);
    loop_run(fixture->loop);
    took = time_monotonic_ms() - before;
    assert_in_range(took, 49, 5000);
}

static void test_timer_far_away(void **state)
{
    struct loop_timer t = {0};
    struct loop_timer end = {0};

    (void)state;
    loop_timer_start(fixture->loop, &t, UINT64_MAX, on_guard);
    loop_timer_start(fixture->loop, &end, 1, on_stop);
    loop_run(fixture->loop);
    assert_true(loop_timer_is_running(&t));
    loop_timer_stop(&t);
}

/* Stop */

static void test_stop_before_run(void **state)
{
    (void)state;
    loop_stop(fixture->loop);
    loop_run(fixture->loop);
}

static void test_run_again(void **state)
{
    struct loop_timer end = {0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        loop_timer_start(fixture->loop, &end, 1, on_stop);
        loop_run(fixture->loop);
    }
}

/* Wake-ups */

static void on_woken(void *owner)
{
    ++*(int *)owner;
    loop_stop(fixture->loop);
}

static void *wake_from_thread(void *arg)
{
    loop_wake(arg);
    return NULL;
}

static void test_wake(void **state)
{
    pthread_t thread;
    int n = 0;

    (void)state;
    loop_on_wake(fixture->loop, on_woken, &n);
    assert_int_equal(pthread_create(&thread, NULL, wake_from_thread, fixture->loop), 0);
    loop_run(fixture->loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(n, 1);
    loop_wake(fixture->loop);
    loop_wake(fixture->loop);
    loop_run(fixture->loop);
    assert_int_equal(n, 2); /* coalesced */
}

/* Signals */

static void on_signal(void *owner, int signal)
{
    *(int *)owner = signal;
    loop_stop(fixture->loop);
}

static void test_signals(void **state)
{
    const int signals[] = {SIGUSR1, SIGUSR2};
    int got = 0;

    (void)state;
    assert_int_equal(loop_on_signals(fixture->loop, signals, ARRAY_LEN(signals), on_signal, &got),
                     0);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    loop_run(fixture->loop);
    assert_int_equal(got, SIGUSR2);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    loop_run(fixture->loop);
    assert_int_equal(got, SIGUSR1);
}

/* Watches */

struct watcher {
    struct loop_io io;
    struct watcher *other;
    int n;
};

static void on_first_of_two(struct loop_io *io, uint32_t events)
{
    struct watcher *w = CONTAINER_OF(io, struct watcher, io);

    assert_true(events & EPOLLIN);
    w->n++;
    /* Both are ready in the same turn: whoever runs first silences the other, which then may go. */
    loop_io_stop(&w->other->io);
    loop_io_stop(&w->io);
    loop_stop(fixture->loop);
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
    assert_int_equal(loop_io_start(fixture->loop, &a.io, pair[0][1], EPOLLIN, on_first_of_two), 0);
    assert_int_equal(loop_io_start(fixture->loop, &b.io, pair[1][1], EPOLLIN, on_first_of_two), 0);
    loop_run(fixture->loop);
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
        loop_io_set(io, EPOLLIN);
        assert_int_equal(write(io->fd, "x", 1), 1);
        return;
    }
    assert_true(events & EPOLLIN);
    loop_stop(fixture->loop);
}

static void test_watch_changes_events(void **state)
{
    struct watcher w = {0};
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(write(pair[0], "x", 1), 1);
    assert_int_equal(loop_io_start(fixture->loop, &w.io, pair[1], EPOLLOUT, on_writable), 0);
    loop_run(fixture->loop);
    assert_int_equal(w.n, 1);
    loop_io_stop(&w.io);
    close(pair[0]);
    close(pair[1]);
}

static void test_watch_of_no_descriptor(void **state)
{
    struct loop_io io = {0};

    (void)state;
    assert_int_equal(loop_io_start(fixture->loop, &io, 9999, EPOLLIN, on_writable), -EBADF);
    loop_io_stop(&io);
}

/* TLS */

static void test_tls_context(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_non_null(loop_tls_context(fixture->loop, &err));
    assert_ptr_equal(loop_tls_context(fixture->loop, &err), loop_tls_context(fixture->loop, &err));
    assert_ptr_equal(loop_tls_vhost(fixture->loop, &err), loop_client_vhost(fixture->loop));
}

static void test_bad_ca_file(void **state)
{
    const struct loop_options o = {.ca_file = "/nonexistent/ca.pem"};
    struct error err = ERROR_INIT;
    struct loop *loop;

    (void)state;
    assert_int_equal(loop_new(&loop, &o, &err), 0);
    assert_null(loop_tls_context(loop, &err));
    assert_non_null(strstr(err.msg, "/nonexistent/ca.pem"));
    loop_free(loop);
}

#define ON(flavour, f)                                             \
    {                                                              \
#f " (" #flavour ")", f, setup, teardown, (void *)&flavour \
    }
#define BOTH(f) ON(lws, f), ON(uv, f)

int main(void)
{
    static bool lws = false;
    static bool uv = true;
    const struct CMUnitTest tests[] = {
        BOTH(test_timers_fire_in_order),
        BOTH(test_many_timers),
        BOTH(test_timer_restarts_itself),
        BOTH(test_timer_waits_its_time),
        BOTH(test_timer_far_away),
        BOTH(test_stop_before_run),
        BOTH(test_run_again),
        BOTH(test_wake),
        BOTH(test_signals),
        BOTH(test_watch_stopped_in_its_turn),
        BOTH(test_watch_changes_events),
        BOTH(test_watch_of_no_descriptor),
        BOTH(test_tls_context),
        ON(lws, test_bad_ca_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
