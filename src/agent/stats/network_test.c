/*
 * Runs in a network namespace of its own, with children's namespaces as containers. Shows which
 * containers are read by netlink and which by /proc/PID/net/dev, and that both match the counters
 * within the container.
 */

#include "agent/stats/network.h"

#include "agent/stats/netns_fixture.h"
#include "agent/stats/parse.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define DEV_SIZE 16384

/* `from` NULL: our own namespace. Only packets of the test are sent over the link. */
static void connect_link(pid_t from, const char *outside, pid_t into, const char *inside, int n)
{
    char enter[64] = "env";

    if (from > 0)
        (void)snprintf(enter, sizeof(enter), "nsenter -t %d -n", (int)from);
    netns_run("%s ip link add %s type veth peer name %s netns %d", enter, outside, inside,
              (int)into);
    netns_run("%s ip link set %s addrgenmode none", enter, outside);
    netns_run("%s ip addr add 10.9.%d.1/24 dev %s", enter, n, outside);
    netns_run("%s ip link set %s up", enter, outside);
    netns_run("nsenter -t %d -n ip link set %s addrgenmode none", (int)into, inside);
    netns_run("nsenter -t %d -n ip addr add 10.9.%d.2/24 dev %s", (int)into, n, inside);
    netns_run("nsenter -t %d -n ip link set %s up", (int)into, inside);
    netns_run("nsenter -t %d -n ip neigh replace 10.9.%d.1 lladdr 02:00:00:00:00:01 dev %s",
              (int)into, n, inside);
}

/* Sends a packet out of the container; `n` as for connect_link(). */
static void send_from(pid_t pid, int n)
{
    netns_run("nsenter -t %d -n bash -c echo>/dev/udp/10.9.%d.1/9", (int)pid, n);
}

static struct stats_net read_inside(pid_t pid)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/net/dev", (int)pid);
    _cleanup_free_ char *text = NULL;

    assert_int_equal(file_read(path, DEV_SIZE, &text, NULL, NULL), 0);
    return stats_net_dev(text);
}

/* Expects the counters that the container itself sees, after it has sent something. */
static void check(struct network *net, struct network_entry *entry, pid_t pid, const char *name)
{
    struct stats_net inside = read_inside(pid);
    int64_t rx = -1, tx = -1;

    network_tick(net, true);
    assert_int_equal(network_read(entry, true, &rx, &tx), 0);
    assert_string_equal(network_name(net), name);
    assert_true(tx > 0);
    assert_int_equal(rx, inside.rx);
    assert_int_equal(tx, inside.tx);
}

/*
 * A container with a link of ours, read by netlink, and another namespace whose links are not ours.
 */
struct linked {
    struct network *net;
    struct network_entry *entry;
    pid_t c, other;
};

static void linked_open(struct linked *l)
{
    if (!netns_enter())
        skip();
    *l = (struct linked){
        .net = network_new(""), .c = netns_child_start(), .other = netns_child_start()};
    connect_link(0, "out1", l->c, "in1", 1);
    send_from(l->c, 1);
    assert_int_equal(network_open(&l->entry, l->net, l->c, true), 0);
    check(l->net, l->entry, l->c, "netlink");
}

static void linked_close(struct linked *l)
{
    network_close(l->entry);
    network_free(l->net);
    netns_child_stop(l->c);
    netns_child_stop(l->other);
}

/* The agent is in the host's network: netlink is used, also after networks are connected or
 * disconnected. */
static void test_our_links_are_read_by_netlink(void **state)
{
    struct linked l;

    (void)state;
    linked_open(&l);
    send_from(l.c, 1);
    check(l.net, l.entry, l.c, "netlink");

    connect_link(0, "out2", l.c, "in2", 2);
    send_from(l.c, 2);
    check(l.net, l.entry, l.c, "netlink");
    netns_run("ip link del out1");
    check(l.net, l.entry, l.c, "netlink");
    netns_run("ip link del out2");
    connect_link(l.other, "out3", l.c, "in3", 3);
    send_from(l.c, 3);
    check(l.net, l.entry, l.c, "proc");
    linked_close(&l);
}

/* A network is connected later without a link of ours, as macvlan: only /proc has all of it. */
static void test_later_foreign_link_is_read_by_proc(void **state)
{
    struct linked l;

    (void)state;
    linked_open(&l);
    connect_link(l.other, "out2", l.c, "in2", 2);
    send_from(l.c, 2);
    check(l.net, l.entry, l.c, "proc");
    linked_close(&l);
}

struct foreign {
    pid_t host, container, other;
};

/* The links of the container end in the host's namespace, the agent is in another one. */
static void link_of_another(const struct foreign *f)
{
    connect_link(f->host, "out1", f->container, "in1", 1);
    send_from(f->container, 1);
}

/* The agent is a container of the same host that has a link to the container, too. */
static void link_beside(const struct foreign *f)
{
    connect_link(f->host, "agent", getpid(), "eth0", 2);
    link_of_another(f);
}

/*
 * One of two links is ours, and all bytes so far went over it: further ones may be in /proc only.
 */
static void one_of_two(const struct foreign *f)
{
    connect_link(0, "out2", f->container, "in2", 2);
    connect_link(f->host, "out1", f->container, "in1", 1);
    send_from(f->container, 2);
}

/* The container's namespace has an nsid for us, but the link that it came from was removed. */
static void one_that_was(const struct foreign *f)
{
    connect_link(0, "out2", f->container, "in2", 2);
    netns_run("ip link del out2");
    link_of_another(f);
}

/* We have as many links as the container has interfaces, but they lead to another namespace. */
static void to_somebody_else(const struct foreign *f)
{
    connect_link(0, "out2", f->other, "in2", 2);
    link_of_another(f);
}

static void test_foreign_links_are_read_by_proc(void **state)
{
    static void (*const cases[])(const struct foreign *f) = {
        link_of_another, link_beside, one_of_two, one_that_was, to_somebody_else,
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct network_entry *kept = NULL, *passing = NULL;
        struct network *net;
        struct foreign f;

        if (!netns_enter())
            skip();
        f = (struct foreign){netns_child_start(), netns_child_start(), netns_child_start()};
        cases[i](&f);
        net = network_new("");
        assert_int_equal(network_open(&kept, net, f.container, true), 0);
        assert_int_equal(network_open(&passing, net, f.container, false), 0);
        check(net, kept, f.container, "proc");
        send_from(f.container, 1);
        check(net, kept, f.container, "proc");
        check(net, passing, f.container, "proc");
        network_close(kept);
        network_close(passing);
        network_free(net);
        netns_child_stop(f.host);
        netns_child_stop(f.container);
        netns_child_stop(f.other);
    }
}

/* --network none: 0 bytes, not checked every second; a network that is connected later is found. */
static void test_network_none_has_zero_bytes(void **state)
{
    struct network *net;
    struct network_entry *entry = NULL;
    int64_t rx = -1, tx = -1;
    pid_t c;

    (void)state;
    if (!netns_enter())
        skip();
    net = network_new("");
    c = netns_child_start();
    assert_int_equal(network_open(&entry, net, c, true), 0);
    assert_string_equal(network_name(net), "proc");
    assert_int_equal(network_read(entry, true, &rx, &tx), 0);
    assert_int_equal(rx, 0);
    assert_int_equal(tx, 0);
    connect_link(0, "out1", c, "in1", 1);
    send_from(c, 1);
    check(net, entry, c, "proc");
    network_close(entry);
    network_free(net);
    netns_child_stop(c);
}

/* A process that has ended: nothing is opened, and counters are not read again. */
static void test_ended_process_is_not_read(void **state)
{
    struct network *net;
    struct network_entry *entry = NULL, *late = NULL;
    int64_t rx = -1, tx = -1;
    pid_t c;

    (void)state;
    if (!netns_enter())
        skip();
    net = network_new("");
    c = netns_child_start();
    connect_link(c, "x", c, "y", 1);
    assert_int_equal(network_open(&entry, net, c, false), 0);
    assert_int_equal(network_read(entry, true, &rx, &tx), 0);
    netns_child_stop(c);
    assert_true(network_read(entry, true, &rx, &tx) < 0);
    assert_int_equal(network_open(&late, net, c, true), -ENOENT);
    network_close(entry);
    assert_string_equal(network_name(net), "none");
    network_free(net);
}

/*
 * The method used for `pid`, a number of the host's, by an agent with process numbers of its own.
 */
static const char *find_name_in_pid_namespace(const char *root, pid_t pid)
{
    struct network *net = network_new(root);
    struct network_entry *entry = NULL;
    const char *name = "nothing";

    if (network_open(&entry, net, pid, false) == 0)
        name = network_name(net);
    network_close(entry);
    network_free(net);
    return name;
}

/* An agent in a container with --network host: its process numbers are not those of /host/proc. */
static void test_foreign_process_numbers(void **state)
{
    char root[] = "/tmp/dockmon-network-XXXXXX";
    char proc[sizeof(root) +
              /* on the stack, because the children would not free memory of the heap */
              sizeof("/proc")];
    pid_t c, agent;
    int status = 0;

    (void)state;
    if (!netns_enter())
        skip();
    assert_non_null(mkdtemp(root));
    (void)snprintf(proc, sizeof(proc), "%s/proc", root);
    assert_int_equal(symlink("/proc", proc), 0);
    c = netns_child_start();
    connect_link(0, "out1", c, "in1", 1);
    send_from(c, 1);
    agent = fork();
    if (agent == 0) {
        if (unshare(CLONE_NEWPID) < 0) /* applies to the next children */
            _exit(2);
        agent = fork();
        if (agent == 0)
            _exit(str_eq(find_name_in_pid_namespace(root, c), "netlink") ? 0 : 1);
        _exit(waitpid(agent, &status, 0) == agent && status == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(agent, &status, 0), agent);
    assert_int_equal(status, 0);
    netns_child_stop(c);
    assert_int_equal(unlink(proc), 0);
    assert_int_equal(rmdir(root), 0);
}

/* Writes the /proc/PID/net/dev of a container, as below `root`. */
static void write_dev(const char *path, int64_t rx, int64_t tx)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    (void)fprintf(file,
                  "Inter-|   Receive                            |  Transmit\n"
                  " face |bytes packets errs drop fifo frame compressed multicast|bytes packets\n"
                  "   in1: %lld 1 0 0 0 0 0 0 %lld 1 0 0 0 0 0 0\n",
                  (long long)rx, (long long)tx);
    assert_int_equal(fclose(file), 0);
}

/* Our link of a container counts something else than its interface: it is not the other end. */
static void test_links_that_count_otherwise_are_not_used(void **state)
{
    struct {
        int64_t rx, tx; /* added to what the container counts */
        const char *name;
    } cases[] = {
        {0,        0,        "netlink"},
        {-1,       -1,       "netlink"}, /* read a moment before */
        {1,        0,        "proc"   },
        {0,        1,        "proc"   },
        {-1500000, 0,        "proc"   },
        {0,        -1500000, "proc"   },
    };
    struct network *net;
    struct stats_net inside;
    char root[] = "/tmp/dockmon-network-XXXXXX";
    _cleanup_free_ char *dir = NULL, *dev = NULL, *namespace = NULL;
    pid_t c;

    (void)state;
    if (!netns_enter())
        skip();
    c = netns_child_start();
    connect_link(0, "out1", c, "in1", 1);
    netns_run("ip neigh replace 10.9.1.2 lladdr 02:00:00:00:00:02 dev out1");
    netns_run("bash -c {head,-c,2000000,/dev/zero}>/dev/udp/10.9.1.2/9");
    netns_run("nsenter -t %d -n bash -c {head,-c,2000000,/dev/zero}>/dev/udp/10.9.1.1/9", (int)c);
    inside = read_inside(c);
    assert_true(inside.rx > 1500000 && inside.tx > 1500000);

    assert_non_null(mkdtemp(root));
    dir = xasprintf("%s/proc/%d/net", root, (int)c);
    dev = xasprintf("%s/dev", dir);
    netns_run("mkdir -p %s %s/proc/%d/ns", dir, root, (int)c);
    namespace = xasprintf("%s/proc/%d/ns/net", root, (int)c);
    netns_run("ln -s /proc/%d/ns/net %s", (int)c, namespace);
    net = network_new(root);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct network_entry *entry = NULL;

        write_dev(dev, inside.rx + cases[i].rx, inside.tx + cases[i].tx);
        assert_int_equal(network_open(&entry, net, c, false), 0);
        if (!str_eq(network_name(net), cases[i].name))
            fail_msg("case %zu: %s", i, network_name(net));
        network_close(entry);
    }
    network_free(net);
    netns_child_stop(c);
    netns_run("rm -r %s", root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_our_links_are_read_by_netlink),
        cmocka_unit_test(test_later_foreign_link_is_read_by_proc),
        cmocka_unit_test(test_foreign_links_are_read_by_proc),
        cmocka_unit_test(test_network_none_has_zero_bytes),
        cmocka_unit_test(test_ended_process_is_not_read),
        cmocka_unit_test(test_foreign_process_numbers),
        cmocka_unit_test(test_links_that_count_otherwise_are_not_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
