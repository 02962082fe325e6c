/*
 * In a network namespace of its own, and with those of children as containers: who is counted by netlink, who by
 * /proc/PID/net/dev, and that both are what the container itself sees.
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

/* `from` NULL: our own namespace. Nothing but what the test sends goes over it. */
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

/* A packet out of the container, `n` as for connect_link(). */
static void send_from(pid_t pid, int n)
{
    netns_run("nsenter -t %d -n bash -c echo>/dev/udp/10.9.%d.1/9", (int)pid, n);
}

static struct stats_net seen_inside(pid_t pid)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/net/dev", (int)pid);
    _cleanup_free_ char *text = NULL;

    assert_int_equal(file_read(path, DEV_SIZE, &text, NULL, NULL), 0);
    return stats_net_dev(text);
}

/* What is read is what the container sees; it has sent something. */
static void check(struct network *net, struct network_entry *entry, pid_t pid, const char *name)
{
    struct stats_net inside = seen_inside(pid);
    int64_t rx = -1, tx = -1;

    network_tick(net, true);
    assert_int_equal(network_read(entry, true, &rx, &tx), 0);
    assert_string_equal(network_name(net), name);
    assert_true(tx > 0);
    assert_int_equal(rx, inside.rx);
    assert_int_equal(tx, inside.tx);
}

/* A container with a link of ours, counted by netlink, and another namespace whose links are not ours. */
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

/* The host's network is the agent's: netlink, also when networks are connected and disconnected later. */
static void links_of_ours(void **state)
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

/* A network that is connected later and is none of our links, as macvlan: all of it is only in /proc. */
static void a_link_that_is_not_ours_comes_later(void **state)
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

/* The links of the container end in the host's namespace, and ours, the agent's, is another. */
static void link_of_another(const struct foreign *f)
{
    connect_link(f->host, "out1", f->container, "in1", 1);
    send_from(f->container, 1);
}

/* The agent is a container of the same host: it has a link, too, to there. */
static void link_beside(const struct foreign *f)
{
    connect_link(f->host, "agent", getpid(), "eth0", 2);
    link_of_another(f);
}

/* One of two is ours, and all that has been sent went there: the rest will be in /proc alone. */
static void one_of_two(const struct foreign *f)
{
    connect_link(0, "out2", f->container, "in2", 2);
    connect_link(f->host, "out1", f->container, "in1", 1);
    send_from(f->container, 2);
}

/* The container's namespace has a number for us, but the link that gave it the number has gone. */
static void one_that_was(const struct foreign *f)
{
    connect_link(0, "out2", f->container, "in2", 2);
    netns_run("ip link del out2");
    link_of_another(f);
}

/* As many links of ours as it has interfaces, but they lead to somebody else. */
static void to_somebody_else(const struct foreign *f)
{
    connect_link(0, "out2", f->other, "in2", 2);
    link_of_another(f);
}

static void a_foreign_namespace(void **state)
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

/* --network none: 0, and not looked at every second; a network that is connected later is seen. */
static void nothing_but_lo(void **state)
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

/* Who has ended: nothing is opened, and nothing is read anew. */
static void who_has_ended(void **state)
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

/* The name of what counts `pid`, a number of the host's, in an agent with process numbers of its own. */
static const char *name_elsewhere(const char *root, pid_t pid)
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
static void numbers_of_another(void **state)
{
    char root[] = "/tmp/dockmon-network-XXXXXX";
    char proc[sizeof(root) +
              sizeof("/proc")]; /* no memory of the heap, which the children would not free */
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
        if (unshare(CLONE_NEWPID) < 0) /* of the children from now on */
            _exit(2);
        agent = fork();
        if (agent == 0)
            _exit(str_eq(name_elsewhere(root, c), "netlink") ? 0 : 1);
        _exit(waitpid(agent, &status, 0) == agent && status == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(agent, &status, 0), agent);
    assert_int_equal(status, 0);
    netns_child_stop(c);
    assert_int_equal(unlink(proc), 0);
    assert_int_equal(rmdir(root), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_of_ours),
        cmocka_unit_test(a_link_that_is_not_ours_comes_later),
        cmocka_unit_test(a_foreign_namespace),
        cmocka_unit_test(nothing_but_lo),
        cmocka_unit_test(who_has_ended),
        cmocka_unit_test(numbers_of_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
