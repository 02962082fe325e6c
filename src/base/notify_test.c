#include "base/alloc.h"
#include "base/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The manager's end: bound, and read without waiting. */
static int manager_open(const char *name)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(a.sun_path, name, length);
    if (*name == '@')
        a.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)&a,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                     0);
    return fd;
}

static void assert_received(int fd, const char *expected)
{
    char text[2048] = "";
    ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

    assert_int_equal(n, (ssize_t)strlen(expected));
    assert_string_equal(text, expected);
}

static void datagrams_arrive(const char *name)
{
    _cleanup_free_ char *env = xasprintf("NOTIFY_SOCKET=%s", name);
    _cleanup_close_ int manager = manager_open(name);
    struct notify n;

    assert_int_equal(notify_init(&n, (const char *const[]){env, NULL}, NULL), 0);
    assert_true(notify_is_wanted(&n));
    assert_int_equal(n.watchdog_ms, 0);
    assert_int_equal(notify_send(&n, "READY=1\nSTATUS=%d agents", 7), 0);
    assert_int_equal(notify_send(&n, "STOPPING=1"), 0);
    assert_received(manager, "READY=1\nSTATUS=7 agents");
    assert_received(manager, "STOPPING=1");
    notify_done(&n);
    assert_false(notify_is_wanted(&n));
    notify_done(&n);
}

static void test_paths_and_abstract_names_work(void **state)
{
    char dir[] = "/tmp/dockmon-notify-XXXXXX";
    _cleanup_free_ char *path = NULL, *abstract = xasprintf("@dockmon-notify-%d", getpid());

    (void)state;
    assert_non_null(mkdtemp(dir));
    path = xasprintf("%s/socket", dir);
    datagrams_arrive(path);
    datagrams_arrive(abstract);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void test_nothing_is_sent_without_a_manager(void **state)
{
    static const struct {
        const char *env[3];
    } cases[] = {
        {{NULL}},
        {{"NOTIFY_SOCKET=", "WATCHDOG_USEC=1000000"}},
        {{"NOTIFY_SOCKETS=/run/x", "XNOTIFY_SOCKET=/run/x"}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct notify n;

        assert_int_equal(notify_init(&n, cases[i].env, NULL), 0);
        assert_false(notify_is_wanted(&n));
        assert_int_equal(n.watchdog_ms, 0);
        assert_int_equal(notify_send(&n, "READY=1"), 0);
        notify_done(&n);
    }
}

static void test_watchdog_interval_is_read(void **state)
{
    _cleanup_free_ char *mine = xasprintf("WATCHDOG_PID=%d", getpid());
    const struct {
        const char *usec, *pid;
        uint64_t expected_ms;
    } cases[] = {
        {"WATCHDOG_USEC=30000000", NULL,             30000},
        {"WATCHDOG_USEC=30000000", mine,             30000},
        {"WATCHDOG_USEC=30000000", "WATCHDOG_PID=1", 0    },
        {"WATCHDOG_USEC=10",       mine,             1    },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *env[] = {"NOTIFY_SOCKET=@x", cases[i].usec, cases[i].pid, NULL};
        struct notify n;

        assert_int_equal(notify_init(&n, env, NULL), 0);
        assert_int_equal(n.watchdog_ms, cases[i].expected_ms);
        notify_done(&n);
    }
}

static void test_invalid_variables_are_refused(void **state)
{
    char too_long[256] = "NOTIFY_SOCKET=/";
    const struct {
        const char *socket, *watchdog;
    } cases[] = {
        {"NOTIFY_SOCKET=relative",     NULL                },
        {"NOTIFY_SOCKET=/",            NULL                },
        {"NOTIFY_SOCKET=vsock:2:1234", NULL                },
        {too_long,                     NULL                },
        {"NOTIFY_SOCKET=@x",           "WATCHDOG_USEC=soon"},
        {"NOTIFY_SOCKET=@x",           "WATCHDOG_USEC=0"   },
    };

    (void)state;
    memset(too_long + strlen(too_long), 'x', 200);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *env[] = {cases[i].socket, cases[i].watchdog, NULL};
        struct error err = ERROR_INIT;
        struct notify n;

        assert_int_equal(notify_init(&n, env, &err), -EINVAL);
        assert_non_null(strstr(err.msg, "expected"));
        assert_false(notify_is_wanted(&n));
    }
}

static void test_missing_manager_is_an_error_and_no_signal(void **state)
{
    const char *env[] = {"NOTIFY_SOCKET=/nonexistent/socket", NULL};
    char text[2000];
    struct notify n;

    (void)state;
    assert_int_equal(notify_init(&n, env, NULL), 0);
    assert_int_equal(notify_send(&n, "READY=1"), -ENOENT);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(notify_send(&n, "STATUS=%s", text), -EMSGSIZE);
    notify_done(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_and_abstract_names_work),
        cmocka_unit_test(test_nothing_is_sent_without_a_manager),
        cmocka_unit_test(test_watchdog_interval_is_read),
        cmocka_unit_test(test_invalid_variables_are_refused),
        cmocka_unit_test(test_missing_manager_is_an_error_and_no_signal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
