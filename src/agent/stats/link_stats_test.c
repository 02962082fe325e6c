/*
 * Runs in a network namespace of its own, with a veth pair into that of a child: the counters of
 * one side match /proc/net/dev of the other, with the directions exchanged.
 */

#include "agent/stats/link_stats.h"

#include "agent/stats/netns_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

/* The nsid of the child's network namespace, by an open file. */
static int nsid_by_file(struct link_stats *ls, pid_t pid, int *ret)
{
    char path[64];
    int fd, r;

    (void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    r = link_stats_nsid_of(ls, fd, ret);
    (void)close(fd);
    return r;
}

static void test_veth_is_found_from_outside(void **state)
{
    _cleanup_(link_stats_freep) struct link_stats *ls = NULL;
    pid_t c, stranger;
    struct link_counters one;
    int nsid = -1, same = -1, index = 0;
    const struct link_counters *all;

    (void)state;
    if (!netns_enter())
        skip();
    c = netns_child_start();
    stranger = netns_child_start();
    assert_int_equal(link_stats_new(&ls, NULL), 0);
    assert_int_equal(link_stats_nsid(ls, stranger, &nsid), -ENOENT);
    assert_int_equal(nsid_by_file(ls, stranger, &same), -ENOENT);

    netns_run("ip link add out type veth peer name in netns %d", (int)c);
    netns_run("ip addr add 10.9.0.1/24 dev out");
    netns_run("ip link set out up");
    netns_run("nsenter -t %d -n ip addr add 10.9.0.2/24 dev in", (int)c);
    netns_run("nsenter -t %d -n ip link set in up", (int)c);
    netns_run("nsenter -t %d -n ip link set lo up", (int)c);
    netns_run("ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:01 dev out");
    netns_run("bash -c echo>/dev/udp/10.9.0.2/9");

    assert_int_equal(link_stats_read_peers(ls), 0);
    assert_int_equal(link_stats_nsid(ls, c, &nsid), 0);
    assert_int_equal(nsid_by_file(ls, c, &same), 0);
    assert_int_equal(same, nsid);
    assert_int_equal(link_stats_peers(ls, nsid, &index, 1), 1);
    assert_int_equal(link_stats_peers(ls, nsid + 1, &index, 1), 0);
    assert_int_equal(link_stats_read(ls), 0);
    all = link_stats_find(ls, index);
    assert_non_null(all);
    assert_int_equal(link_stats_get(ls, index, &one), 0);
    assert_true(one.rx >= all->rx && one.tx >= all->tx);
    assert_true(one.tx > 0); /* sent into nowhere by run() above */
    assert_null(link_stats_find(ls, index + 1000));
    assert_int_equal(link_stats_get(ls, index + 1000, &one), -ENODEV);
    assert_int_equal(link_stats_nsid(ls, 0x3fffffff, &nsid), -ESRCH);

    netns_child_stop(c);
    netns_child_stop(stranger);
}

static void test_many_links_are_read_in_several_parts(void **state)
{
    enum { N = 300 };
    _cleanup_(link_stats_freep) struct link_stats *ls = NULL;
    size_t n = 0;

    (void)state;
    if (!netns_enter())
        skip();
    for (int i = 0; i < N; i++)
        netns_run("ip link add name d%d type veth peer name e%d", i, i);
    assert_int_equal(link_stats_new(&ls, NULL), 0);
    assert_int_equal(link_stats_read(ls), 0);
    for (int i = 1; i <= 2 * N + 8; i++)
        n += link_stats_find(ls, i) != NULL;
    assert_true(n >= 2 * (size_t)N);
    assert_int_equal(link_stats_read(ls), 0); /* again, into the same memory */
    assert_non_null(link_stats_find(ls, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_veth_is_found_from_outside),
        cmocka_unit_test(test_many_links_are_read_in_several_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
