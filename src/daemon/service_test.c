#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "daemon/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A manager on an abstract socket, and a daemon that it manages. */
struct fixture {
    struct loop *loop;
    struct service *service;
    int manager;
    struct loop_io io;
    char heard[8192];  /* datagrams, each in brackets */
    const char *until; /* stop the loop after this datagram */
    struct loop_timer deadline;
    bool is_ready;
    const char *text;
};

static bool describe(void *owner, char ret_text[SERVICE_TEXT_SIZE])
{
    const struct fixture *f = owner;

    str_copy(ret_text, SERVICE_TEXT_SIZE, f->text);
    return f->is_ready;
}

static void on_datagram(struct loop_io *io, uint32_t events)
{
    struct fixture *f = CONTAINER_OF(io, struct fixture, io);
    size_t used = strlen(f->heard);
    char text[1500];
    ssize_t n = recv(f->manager, text, sizeof(text) - 1, MSG_DONTWAIT);

    (void)events;
    assert_true(n >= 0);
    text[n] = '\0';
    (void)snprintf(f->heard + used, sizeof(f->heard) - used, "[%s]", text);
    if (f->until && strstr(f->heard, f->until))
        loop_stop(f->loop);
}

static void on_deadline(struct loop_timer *t)
{
    const struct fixture *f = CONTAINER_OF(t, struct fixture, deadline);

    fail_msg("did not receive %s, but %s", f->until ? f->until : "nothing", f->heard);
}

static void on_time(struct loop_timer *t)
{
    loop_stop(CONTAINER_OF(t, struct fixture, deadline)->loop);
}

static void listen_until(struct fixture *f, const char *text)
{
    f->until = text;
    if (strstr(f->heard, text))
        return;
    loop_timer_start(f->loop, &f->deadline, 10000, on_deadline);
    loop_run(f->loop);
    loop_timer_stop(&f->deadline);
}

static void listen_for_ms(struct fixture *f, uint64_t ms)
{
    f->until = NULL;
    loop_timer_start(f->loop, &f->deadline, ms, on_time);
    loop_run(f->loop);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int length = snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "dockmon-service-%d", getpid());

    f->text = "fine";
    f->is_ready = true;
    f->manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(f->manager, (struct sockaddr *)&a,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) < 0)
        return -1;
    *state = f;
    if (loop_new(&f->loop, &(struct loop_options){0}, NULL) < 0)
        return -1;
    return loop_io_start(f->loop, &f->io, f->manager, EPOLLIN, on_datagram);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    service_free(f->service);
    loop_io_stop(&f->io);
    loop_free(f->loop);
    close(f->manager);
    free(f);
    return 0;
}

static int start(struct fixture *f, const char *watchdog, uint64_t patience_ms)
{
    _cleanup_free_ char *name = xasprintf("NOTIFY_SOCKET=@dockmon-service-%d", getpid());
    const char *env[] = {name, watchdog, NULL};

    return service_new(&f->service,
                       &(struct service_options){.loop = f->loop,
                                                 .env = env,
                                                 .describe = describe,
                                                 .owner = f,
                                                 .patience_ms = patience_ms},
                       NULL);
}

static void test_readiness_is_reported_once(void **state)
{
    struct fixture *f = *state;

    f->is_ready = false;
    f->text = "no engine\nREADY=1";
    assert_int_equal(start(f, NULL, 0), 0);
    listen_until(f, "[STATUS=no engine READY=1]");
    listen_for_ms(f, 100);
    assert_null(strstr(f->heard, "[READY=1"));
    f->is_ready = true;
    f->text = "fine";
    listen_until(f, "[READY=1\nSTATUS=fine]");
    f->heard[0] = '\0';
    listen_for_ms(f, 100); /* reported once */
    assert_string_equal(f->heard, "");
}

static void test_readiness_is_reported_after_the_limit(void **state)
{
    struct fixture *f = *state;

    f->is_ready = false;
    f->text = "no engine";
    assert_int_equal(start(f, NULL, 500), 0);
    listen_until(f, "[READY=1\nSTATUS=no engine]");
}

static void test_watchdog_is_notified_at_half_of_its_interval(void **state)
{
    struct fixture *f = *state;
    uint64_t begin = time_monotonic_ms(), took_ms;

    assert_int_equal(start(f, "WATCHDOG_USEC=1000000", 0), 0);
    listen_until(f, "[WATCHDOG=1][WATCHDOG=1][WATCHDOG=1]");
    took_ms = time_monotonic_ms() - begin; /* at 0, 500, 1000 */
    assert_true(took_ms >= 990 && took_ms < 1900);
    service_stopping(f->service);
    f->heard[0] = '\0';
    listen_until(f, "[STOPPING=1\nSTATUS=stopping]");
    listen_until(f, "[WATCHDOG=1]"); /* until the very end */
}

static void test_reloading_is_reported_with_its_time(void **state)
{
    struct fixture *f = *state;
    uint64_t usec = 0, now = time_monotonic_ms() * 1000;
    const char *number;

    assert_int_equal(start(f, NULL, 0), 0);
    service_reloading(f->service); /* ignored before it was ready */
    service_reloaded(f->service);
    listen_until(f, "[READY=1\nSTATUS=fine]");
    assert_null(strstr(f->heard, "RELOADING"));
    f->heard[0] = '\0';
    service_reloading(f->service);
    service_reloaded(f->service);
    listen_until(f, "][READY=1\nSTATUS=fine]");
    number = strstr(f->heard, "MONOTONIC_USEC=");
    assert_non_null(number);
    assert_int_equal(strncmp(f->heard, "[RELOADING=1\n", 13), 0);
    number += strlen("MONOTONIC_USEC=");
    while (*number >= '0' && *number <= '9')
        usec = usec * 10 + (uint64_t)(*number++ - '0');
    assert_true(usec >= now && usec < now + 20000000);
}

static void test_nothing_happens_without_a_manager(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(service_new(&f->service,
                                 &(struct service_options){.loop = f->loop, .describe = describe},
                                 NULL),
                     0);
    service_reloading(f->service);
    service_reloaded(f->service);
    service_stopping(f->service);
    service_stopping(NULL);
    listen_for_ms(f, 50);
    assert_string_equal(f->heard, "");
}

static void test_invalid_environment_is_an_error(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(start(f, "WATCHDOG_USEC=often", 0), -EINVAL);
    assert_null(f->service);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_readiness_is_reported_once),
        TEST(test_readiness_is_reported_after_the_limit),
        TEST(test_watchdog_is_notified_at_half_of_its_interval),
        TEST(test_reloading_is_reported_with_its_time),
        TEST(test_nothing_happens_without_a_manager),
        TEST(test_invalid_environment_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
