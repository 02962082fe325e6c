/*
 * In a network namespace of its own, with a veth pair into that of a child: what is counted on one side is what
 * the other side's /proc/net/dev says, with the directions exchanged.
 */

#include "net/link_stats.h"

#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

static void run(const char *fmt, ...) _printf_(1, 2);

static void run(const char *fmt, ...)
{
    char text[512], *argv[32], *rest = text, *word;
    size_t n = 0;
    va_list ap;
    pid_t pid;
    int status = 0;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    while ((word = strsep(&rest, " ")))
        argv[n++] = word;
    argv[n] = NULL;
    pid = fork();
    if (pid == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        fail_msg("%s ...: status %d", argv[0], status);
}

struct child {
    pid_t pid;
    int gate[2];
};

/* A process in a network namespace of its own that waits until it is killed. */
static void child_start(struct child *c)
{
    char ready = 0;

    assert_int_equal(pipe2(c->gate, O_CLOEXEC), 0);
    c->pid = fork();
    if (c->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails stops nobody */
        if (unshare(CLONE_NEWNET) < 0 || write(c->gate[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    assert_int_equal(read(c->gate[0], &ready, 1), 1);
}

static void child_stop(struct child *c)
{
    (void)kill(c->pid, SIGKILL);
    (void)waitpid(c->pid, NULL, 0);
    close(c->gate[0]);
    close(c->gate[1]);
}

static bool can_have_namespaces(void)
{
    return geteuid() == 0 && unshare(CLONE_NEWNET) == 0 && access("/sbin/ip", X_OK) == 0;
}

static void a_veth_is_found_from_outside(void **state)
{
    _cleanup_(link_stats_freep) struct link_stats *ls = NULL;
    struct child c, stranger;
    struct link_counters one;
    int nsid = -1, index = 0;
    const struct link_counters *all;

    (void)state;
    if (!can_have_namespaces())
        skip();
    child_start(&c);
    child_start(&stranger);
    assert_int_equal(link_stats_new(&ls, NULL), 0);
    assert_int_equal(link_stats_nsid(ls, stranger.pid, &nsid), -ENOENT);

    run("ip link add out type veth peer name in netns %d", (int)c.pid);
    run("ip addr add 10.9.0.1/24 dev out");
    run("ip link set out up");
    run("nsenter -t %d -n ip addr add 10.9.0.2/24 dev in", (int)c.pid);
    run("nsenter -t %d -n ip link set in up", (int)c.pid);
    run("nsenter -t %d -n ip link set lo up", (int)c.pid);
    run("ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:01 dev out");
    run("bash -c echo>/dev/udp/10.9.0.2/9");

    assert_int_equal(link_stats_read_peers(ls), 0);
    assert_int_equal(link_stats_nsid(ls, c.pid, &nsid), 0);
    assert_int_equal(link_stats_peers(ls, nsid, &index, 1), 1);
    assert_int_equal(link_stats_peers(ls, nsid + 1, &index, 1), 0);
    assert_int_equal(link_stats_read(ls), 0);
    all = link_stats_find(ls, index);
    assert_non_null(all);
    assert_int_equal(link_stats_get(ls, index, &one), 0);
    assert_true(one.rx >= all->rx && one.tx >= all->tx);
    assert_true(one.tx > 0); /* sent into the void by run() above */
    assert_null(link_stats_find(ls, index + 1000));
    assert_int_equal(link_stats_get(ls, index + 1000, &one), -ENODEV);
    assert_int_equal(link_stats_nsid(ls, 0x3fffffff, &nsid), -ESRCH);

    child_stop(&c);
    child_stop(&stranger);
}

static void many_links_come_in_several_parts(void **state)
{
    enum { N = 300 };
    _cleanup_(link_stats_freep) struct link_stats *ls = NULL;
    size_t n = 0;

    (void)state;
    if (!can_have_namespaces())
        skip();
    for (int i = 0; i < N; i++)
        run("ip link add name d%d type veth peer name e%d", i, i);
    assert_int_equal(link_stats_new(&ls, NULL), 0);
    assert_int_equal(link_stats_read(ls), 0);
    for (int i = 1; i <= 2 * N + 8; i++)
        n += link_stats_find(ls, i) != NULL;
    assert_true(n >= 2 * (size_t)N);
    assert_int_equal(link_stats_read(ls), 0); /* and again, with the same room */
    assert_non_null(link_stats_find(ls, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_veth_is_found_from_outside),
        cmocka_unit_test(many_links_come_in_several_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
