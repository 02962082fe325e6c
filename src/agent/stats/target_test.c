#include "agent/stats/target.h"

#include "agent/common/temporary_dir.h"
#include "base/alloc.h"
#include "base/str.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ID  "c0ffee0000000000000000000000000000000000000000000000000000000001"
#define PID 99

#define DEV                                                                                    \
    "Inter-|   Receive                                                |  Transmit\n"           \
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs " \
    "drop fifo colls carrier compressed\n"                                                     \
    "    lo: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n"                                                \
    "  eth0: 1111 1 0 0 0 0 0 0 2222 1 0 0 0 0 0 0\n"

/* Writes a file below `root`, with its folders. */
static void write_text(const char *root, const char *name, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", root, name);
    int fd;

    for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        (void)mkdir(path, 0700);
        *p = '/';
    }
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* The namespaces are files of the tree, which are the same one if they have one inode. */
static void make_tree(const char *root, const char *cgroup, bool is_host_namespace)
{
    _cleanup_free_ char *host = xasprintf("%s/proc/1/ns/net", root);
    _cleanup_free_ char *own = xasprintf("%s/proc/99/ns/net", root);

    write_text(root, "sys/fs/cgroup/cgroup.controllers", "cpu");
    write_text(root, "sys/fs/cgroup/docker/" ID "/cpu.stat", "usage_usec 1234\n");
    write_text(root, "proc/99/cgroup", cgroup);
    write_text(root, "proc/99/net/dev", DEV);
    write_text(root, "proc/1/ns/net", "");
    write_text(root, "proc/99/ns/net", "");
    if (is_host_namespace) {
        assert_int_equal(unlink(own), 0);
        assert_int_equal(link(host, own), 0);
    }
}

/* The traffic of a process counts for a container only if the process is one of the container. */
static void test_network_belongs_to_the_container(void **state)
{
    static const struct {
        const char *cgroup;
        bool is_host_namespace;
        int64_t rx, tx;
    } cases[] = {
        {"0::/docker/" ID "\n",          false, 1111,        2222       },
        {"0::/../docker-" ID ".scope\n", false, 1111,        2222       },
        {"0::/init.scope\n",             false, METRIC_NONE, METRIC_NONE}, /* of another PID namespace */
        {"0::/docker/" ID "\n",          true,  METRIC_NONE, METRIC_NONE}, /* container:X, X with host */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char root[TEMPORARY_DIR_SIZE];
        struct target_sources sources = {.host_memory = METRIC_NONE};
        struct running running = {.id = ID, .pid = PID};
        struct stats_cpu cpu = {0};
        struct error err = ERROR_INIT;
        struct target t;

        assert_int_equal(temporary_dir_make(root), 0);
        make_tree(root, cases[i].cgroup, cases[i].is_host_namespace);
        assert_int_equal(cgroup_fs_new(&sources.fs, root, &err), 0);
        sources.net = network_new(root);
        target_open(&t, &sources, &running, &cpu, &err);
        assert_non_null(t.cg);
        assert_int_equal(target_read(&t, &sources, &cpu, true), 0);
        assert_int_equal(t.values[CONTAINER_CPU_TIME], 1234);
        assert_int_equal(t.values[CONTAINER_NET_RX], cases[i].rx);
        assert_int_equal(t.values[CONTAINER_NET_TX], cases[i].tx);
        target_done(&t);
        network_free(sources.net);
        cgroup_fs_free(sources.fs);
        assert_int_equal(temporary_dir_remove(root), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network_belongs_to_the_container),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
