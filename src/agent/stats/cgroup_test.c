/*
 * Trees of files recorded from real kernels below tests/cgroup, so that the results do not depend
 * on the machine that runs the tests.
 */

#include "agent/stats/cgroup.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define ID    "c0ffee0000000000000000000000000000000000000000000000000000000001"
#define ID_2  "c0ffee0000000000000000000000000000000000000000000000000000000002"
#define NO_ID "c0ffee0000000000000000000000000000000000000000000000000000000003"
#define NONE  METRIC_NONE

struct fixture {
    struct cgroup_fs *fs;
    struct cgroup *cg;
    int64_t values[CONTAINER_METRICS];
};

static void open_tree(struct fixture *f, const char *root)
{
    struct error err = ERROR_INIT;

    for (size_t i = 0; i < CONTAINER_METRICS; i++)
        f->values[i] = NONE;
    if (cgroup_fs_new(&f->fs, root, &err) < 0)
        fail_msg("%s", err.msg);
}

static void open_container(struct fixture *f, const char *tree, int64_t pid, const char *id)
{
    _cleanup_free_ char *root = xasprintf("%s/%s", CGROUP_TREES, tree);
    struct error err = ERROR_INIT;

    open_tree(f, root);
    if (cgroup_open(&f->cg, f->fs, pid, id, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(cgroup_read(f->cg, true, f->values), 0);
}

static void done(struct fixture *f)
{
    cgroup_close(f->cg);
    assert_int_equal(cgroup_fs_n_open(f->fs), 0);
    cgroup_fs_free(f->fs);
    *f = (struct fixture){0};
}

struct want {
    enum container_metric metric;
    int64_t value;
};

static void check(const struct fixture *f, const struct want *want, size_t n)
{
    int64_t expected[CONTAINER_METRICS];

    for (size_t i = 0; i < CONTAINER_METRICS; i++)
        expected[i] = NONE;
    for (size_t i = 0; i < n; i++)
        expected[want[i].metric] = want[i].value;
    for (size_t i = 0; i < CONTAINER_METRICS; i++) {
        if (f->values[i] != expected[i]) {
            fail_msg("%s is %lld, not %lld", container_metrics[i].name, (long long)f->values[i],
                     (long long)expected[i]);
        }
    }
}

/* systemd's driver, and a process that has moved itself into a group below the container's. */
static void test_version_2(void **state)
{
    static const struct want want[] = {
        {CONTAINER_CPU_TIME,           93482211            },
        {CONTAINER_CPU_PERIODS,        1200                },
        {CONTAINER_CPU_THROTTLED,      37                  },
        {CONTAINER_CPU_THROTTLED_TIME, 1843021             },
        {CONTAINER_MEM_USED,           104857600 - 20971520},
        {CONTAINER_MEM_LIMIT,          268435456           },
        {CONTAINER_MEM_ANON,           73400320            },
        {CONTAINER_MEM_FILE,           27262976            },
        {CONTAINER_MEM_KERNEL,         3145728             },
        {CONTAINER_PIDS,               17                  },
        {CONTAINER_BLK_READ,           8193000             },
        {CONTAINER_BLK_WRITE,          4098000             },
        {CONTAINER_OOM_KILLS,          1                   },
        {CONTAINER_PSI_CPU_SOME,       325                 },
        {CONTAINER_PSI_CPU_FULL,       150                 },
        {CONTAINER_PSI_MEM_SOME,       0                   },
        {CONTAINER_PSI_MEM_FULL,       0                   },
        {CONTAINER_PSI_IO_SOME,        1200                },
        {CONTAINER_PSI_IO_FULL,        1199                },
    };
    struct fixture f = {0};

    (void)state;
    open_container(&f, "v2", 4242, ID);
    assert_string_equal(cgroup_fs_name(f.fs), "cgroup2");
    assert_null(cgroup_fs_note(f.fs, 0));
    check(&f, want, ARRAY_LEN(want));
    done(&f);
}

/* Rootless, with a kernel that has fewer files: their values are unknown, and the cache exceeds the
 * usage. */
static void test_version_2_with_fewer_files(void **state)
{
    static const struct want want[] = {
        {CONTAINER_CPU_TIME,   5000000                     },
        {CONTAINER_MEM_USED,   4194304                     },
        {CONTAINER_MEM_LIMIT,  INT64_MAX                   },
        {CONTAINER_MEM_ANON,   1048576                     },
        {CONTAINER_MEM_FILE,   2097152                     },
        {CONTAINER_MEM_KERNEL, 65536 + 16384 + 32768 + 1024},
        {CONTAINER_PIDS,       2                           },
    };
    struct fixture f = {0};

    (void)state;
    open_container(&f, "v2", 4243, ID_2);
    check(&f, want, ARRAY_LEN(want));
    done(&f);
}

/* A Raspberry Pi with its default settings. */
static void test_missing_memory_controller_is_noted(void **state)
{
    static const struct want want[] = {
        {CONTAINER_CPU_TIME,  1000},
        {CONTAINER_PIDS,      1   },
        {CONTAINER_BLK_READ,  0   },
        {CONTAINER_BLK_WRITE, 0   },
    };
    struct fixture f = {0};

    (void)state;
    open_container(&f, "v2-no-memory", 4242, ID);
    check(&f, want, ARRAY_LEN(want));
    assert_non_null(cgroup_fs_note(f.fs, 0));
    assert_non_null(strstr(cgroup_fs_note(f.fs, 0), "memory cgroup is off"));
    assert_null(cgroup_fs_note(f.fs, 1));
    done(&f);
}

/* Controllers that are mounted together, with Podman's names. */
static void test_version_1(void **state)
{
    static const struct want want[] = {
        {CONTAINER_CPU_TIME,           99838123           },
        {CONTAINER_CPU_PERIODS,        10                 },
        {CONTAINER_CPU_THROTTLED,      4                  },
        {CONTAINER_CPU_THROTTLED_TIME, 2500               },
        {CONTAINER_MEM_USED,           50331648 - 16777216},
        {CONTAINER_MEM_LIMIT,          9223372036854771712},
        {CONTAINER_MEM_ANON,           25165824           },
        {CONTAINER_MEM_FILE,           20971520           },
        {CONTAINER_MEM_KERNEL,         1048576            },
        {CONTAINER_PIDS,               5                  },
        {CONTAINER_BLK_READ,           4096               },
        {CONTAINER_BLK_WRITE,          8192               },
        {CONTAINER_OOM_KILLS,          3                  },
    };
    struct fixture f = {0};

    (void)state;
    open_container(&f, "v1", 77, ID);
    assert_string_equal(cgroup_fs_name(f.fs), "cgroup1");
    check(&f, want, ARRAY_LEN(want));
    done(&f);
}

/* Trees that a test creates and changes. */

static char *make_tree(void)
{
    char *root = xstrdup("/tmp/dockmon-cgroup-XXXXXX");

    assert_non_null(mkdtemp(root));
    return root;
}

static void write_text(const char *root, const char *path, const char *text)
{
    _cleanup_free_ char *full = xasprintf("%s/%s", root, path);

    for (char *p = strchr(full + strlen(root) + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
        *p = '/';
    }
    assert_int_equal(file_write_atomic(full, text, strlen(text), 0644, NULL), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_tree(char *root)
{
    assert_int_equal(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(root);
}

/* Expensive files are read after a change or when requested, and not otherwise. */
static void test_expensive_files_are_read_seldom(void **state)
{
    char *root = make_tree();
    struct fixture f = {0};

    (void)state;
    write_text(root, "sys/fs/cgroup/cgroup.controllers", "cpu memory io pids");
    write_text(root, "sys/fs/cgroup/docker/" ID "/cpu.stat", "usage_usec 1\n");
    write_text(root, "sys/fs/cgroup/docker/" ID "/memory.current", "104857600\n");
    write_text(root, "sys/fs/cgroup/docker/" ID "/memory.stat", "anon 1\ninactive_file 4857600\n");
    open_tree(&f, root);
    cgroup_fs_set_max_open(f.fs, 0); /* the rewritten file is a new file */
    assert_int_equal(cgroup_open(&f.cg, f.fs, 0, ID, NULL), 0);
    assert_int_equal(cgroup_read(f.cg, false, f.values), 0);
    assert_int_equal(f.values[CONTAINER_MEM_USED], 100000000);

    write_text(root, "sys/fs/cgroup/docker/" ID "/memory.stat", "anon 2\ninactive_file 857600\n");
    write_text(root, "sys/fs/cgroup/docker/" ID "/memory.current", "104857700\n");
    write_text(root, "sys/fs/cgroup/docker/" ID "/cpu.stat", "usage_usec 2\n");
    assert_int_equal(cgroup_read(f.cg, false, f.values), 0);
    assert_int_equal(f.values[CONTAINER_CPU_TIME], 2);
    assert_int_equal(f.values[CONTAINER_MEM_ANON], 1);
    assert_int_equal(f.values[CONTAINER_MEM_USED], 100000100);

    write_text(root, "sys/fs/cgroup/docker/" ID "/memory.current", "114857600\n");
    assert_int_equal(cgroup_read(f.cg, false, f.values), 0);
    assert_int_equal(f.values[CONTAINER_MEM_ANON], 2);
    assert_int_equal(f.values[CONTAINER_MEM_USED], 114000000);

    write_text(root, "sys/fs/cgroup/docker/" ID "/memory.stat", "anon 3\n");
    assert_int_equal(cgroup_read(f.cg, true, f.values), 0);
    assert_int_equal(f.values[CONTAINER_MEM_ANON], 3);
    done(&f);
    remove_tree(root);
}

static void test_end_of_a_container_is_noticed(void **state)
{
    char *root = make_tree();
    _cleanup_free_ char *before = NULL, *after = NULL;
    struct fixture f = {0};

    (void)state;
    write_text(root, "sys/fs/cgroup/cgroup.controllers", "cpu");
    write_text(root, "sys/fs/cgroup/docker/" ID "/cpu.stat", "usage_usec 1\n");
    open_tree(&f, root);
    cgroup_fs_set_max_open(f.fs, 0);
    assert_int_equal(cgroup_open(&f.cg, f.fs, 0, ID, NULL), 0);
    assert_int_equal(cgroup_read(f.cg, true, f.values), 0);
    before = xasprintf("%s/sys/fs/cgroup/docker/" ID, root);
    after = xasprintf("%s/gone", root);
    assert_int_equal(rename(before, after), 0);
    assert_int_equal(cgroup_read(f.cg, true, f.values), -ENODEV);
    done(&f);
    remove_tree(root);
}

/* Groups of the running kernel, created and removed by the test. */

enum { MAX_GROUPS = 5 };

struct real_group {
    const char *mount, *name; /* the version at `mount`, as in cgroup_fs_name() */
    const char *controllers[MAX_GROUPS];
};

static pid_t test_pid; /* not that of a child */

static char *group_path(const struct real_group *g, size_t i)
{
    return xasprintf("%s/%s/dockmon-%d-" ID, g->mount, g->controllers[i], (int)test_pid);
}

static bool make_groups(const struct real_group *g)
{
    for (size_t i = 0; i < MAX_GROUPS && g->controllers[i]; i++) {
        _cleanup_free_ char *path = group_path(g, i);

        if (mkdir(path, 0755) < 0) {
            print_message("%s: not tested, no group can be made in %s/%s: %s\n", g->name, g->mount,
                          g->controllers[i], error_text(-errno));
            return false;
        }
    }
    return true;
}

static void remove_groups(const struct real_group *g)
{
    for (size_t i = 0; i < MAX_GROUPS && g->controllers[i]; i++) {
        _cleanup_free_ char *path = group_path(g, i);
        int n = 1000;

        while (rmdir(path) < 0 && errno == EBUSY && n-- > 0)
            (void)poll(NULL, 0, 10);
        assert_int_equal(access(path, F_OK), -1);
    }
}

/* Starts a process in the groups that has used some CPU time and waits to be killed. */
static pid_t start_member(const struct real_group *g)
{
    int gate[2];
    pid_t pid;
    char ready;

    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        bool is_in = true;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (size_t i = 0; i < MAX_GROUPS && g->controllers[i]; i++) {
            _cleanup_free_ char *path = group_path(g, i);
            _cleanup_free_ char *procs = xasprintf("%s/cgroup.procs", path);
            int fd = open(procs, O_WRONLY | O_CLOEXEC);

            is_in = is_in && fd >= 0 && write(fd, "0", 1) == 1;
        }
        if (!is_in || write(gate[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    close(gate[1]);
    assert_int_equal(read(gate[0], &ready, 1), 1);
    close(gate[0]);
    return pid;
}

static void stop_member(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/*
 * Restarts as the kernel does: the group is removed, and another one has its name. Open files
 * report the end, although the path leads to the new group.
 */
static void restart_group(struct fixture *f, const struct real_group *g)
{
    char *root = make_tree();
    _cleanup_free_ char *mount = xasprintf("%s/sys/fs/cgroup", root);
    _cleanup_free_ char *proc = xasprintf("%s/proc", root);
    pid_t pid = start_member(g);
    struct error err = ERROR_INIT;
    size_t n_open;

    write_text(root, "sys/fs/x", "");
    assert_int_equal(symlink(g->mount, mount), 0);
    assert_int_equal(symlink("/proc", proc), 0);
    open_tree(f, root);
    assert_string_equal(cgroup_fs_name(f->fs), g->name);
    if (cgroup_open(&f->cg, f->fs, pid, ID, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(cgroup_read(f->cg, true, f->values), 0);
    assert_true(f->values[CONTAINER_CPU_TIME] > 0);
    n_open = cgroup_fs_n_open(f->fs);
    assert_true(n_open > 0);

    stop_member(pid);
    assert_int_equal(cgroup_read(f->cg, true, f->values), 0); /* the group exists and is empty */
    remove_groups(g);
    assert_true(make_groups(g));
    pid = start_member(g);
    assert_int_equal(cgroup_read(f->cg, false, f->values), -ENODEV);
    assert_int_equal(cgroup_read(f->cg, true, f->values), -ENODEV);
    assert_int_equal(cgroup_fs_n_open(f->fs), n_open);

    cgroup_close(TAKE_PTR(f->cg));
    assert_int_equal(cgroup_fs_n_open(f->fs), 0);
    assert_int_equal(cgroup_open(&f->cg, f->fs, pid, ID, NULL), 0);
    assert_int_equal(cgroup_read(f->cg, false, f->values), 0);
    stop_member(pid);
    remove_groups(g);
    assert_int_equal(cgroup_read(f->cg, false, f->values), -ENODEV);
    done(f);
    remove_tree(root);
}

static void test_open_files_report_the_end_of_a_container(void **state)
{
    static const struct real_group groups[] = {
        {"/sys/fs/cgroup",         "cgroup1", {"cpuacct", "cpu", "memory", "blkio", "pids"}},
        {"/sys/fs/cgroup/unified", "cgroup2", {"."}                                        },
        {"/sys/fs/cgroup",         "cgroup2", {"."}                                        },
    };
    size_t n = 0;

    (void)state;
    test_pid = getpid();
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        struct fixture f = {0};
        bool is_2 = str_eq(groups[i].name, "cgroup2");
        _cleanup_free_ char *mark = xasprintf("%s/%s", groups[i].mount,
                                              is_2 ? "cgroup.controllers" : "cpuacct/tasks");

        if (access(mark, F_OK) < 0 || !make_groups(&groups[i]))
            continue;
        restart_group(&f, &groups[i]);
        n++;
    }
    if (n == 0)
        skip();
}

/* The ways in which containers are found: by /proc, in usual test_container_is_found_in_each_place,
 * in the place found before, by a search. */
static void test_container_is_found_in_each_place(void **state)
{
    static const struct {
        const char *folder, *proc; /* proc NULL: it cannot be read */
    } cases[] = {
        {"docker/" ID,                                "0::/docker/" ID "\n"               },
        {"docker/" ID,                                NULL                                },
        {"docker/" ID,                                "0::/../" ID "\n"                   },
        {"system.slice/docker-" ID ".scope",          "0::/../docker-" ID ".scope\n"      },
        {"machine.slice/libpod-" ID ".scope",         NULL                                },
        {"outer/docker/c0ffee/docker/" ID,            "0::/outer/docker/c0ffee/docker/" ID},
        {"kubepods/burstable/pod12/cri-" ID ".scope", NULL                                },
        {"docker/" ID,                                "0::/init.scope\n"                  },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *root = make_tree();
        _cleanup_free_ char *cpu = xasprintf("sys/fs/cgroup/%s/cpu.stat", cases[i].folder);
        struct error err = ERROR_INIT;
        struct fixture f = {0};

        write_text(root, "sys/fs/cgroup/cgroup.controllers", "cpu");
        write_text(root, cpu, "usage_usec 1234\n");
        if (cases[i].proc)
            write_text(root, "proc/99/cgroup", cases[i].proc);
        open_tree(&f, root);
        if (cgroup_open(&f.cg, f.fs, 99, ID, &err) < 0)
            fail_msg("case %zu: %s", i, err.msg);
        assert_int_equal(cgroup_read(f.cg, true, f.values), 0);
        assert_int_equal(f.values[CONTAINER_CPU_TIME], 1234);
        done(&f);
        remove_tree(root);
    }
}

/* Rootless Podman in another cgroup namespace: the file system determines which directory is listed
 * first. */
static void test_monitor_is_not_taken_for_its_container(void **state)
{
#define USER_SLICE "sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/user.slice/"
    char *root = make_tree();
    struct error err = ERROR_INIT;
    struct fixture f = {0};

    (void)state;
    write_text(root, "sys/fs/cgroup/cgroup.controllers", "cpu");
    write_text(root, USER_SLICE "libpod-conmon-" ID ".scope/cpu.stat", "usage_usec 1\n");
    open_tree(&f, root);
    assert_int_equal(cgroup_open(&f.cg, f.fs, 99, ID, &err), -ENOENT);
    cgroup_fs_free(f.fs); /* and the pause after a search without a result */

    write_text(root, USER_SLICE "libpod-" ID ".scope/cpu.stat", "usage_usec 2\n");
    open_tree(&f, root);
    assert_int_equal(cgroup_open(&f.cg, f.fs, 99, ID, &err), 0);
    assert_int_equal(cgroup_read(f.cg, true, f.values), 0);
    assert_int_equal(f.values[CONTAINER_CPU_TIME], 2);
    done(&f);
    remove_tree(root);
}

/* Podman 4.3 with crun: limits and throttling are one directory further down. */
static void test_podman_has_an_inner_directory(void **state)
{
#define SCOPE "sys/fs/cgroup/machine.slice/libpod-" ID ".scope/"
    char *root = make_tree();
    struct fixture f = {0};

    (void)state;
    write_text(root, "sys/fs/cgroup/cgroup.controllers", "cpu memory");
    write_text(root, "proc/99/cgroup", "0::/machine.slice/libpod-" ID ".scope/container\n");
    write_text(root, SCOPE "cpu.stat", "usage_usec 9\nnr_periods 0\n");
    write_text(root, SCOPE "memory.max", "max\n");
    write_text(root, SCOPE "container/cpu.stat", "usage_usec 8\nnr_periods 7\n");
    write_text(root, SCOPE "container/memory.max", "268435456\n");
    open_tree(&f, root);
    assert_int_equal(cgroup_open(&f.cg, f.fs, 99, ID, NULL), 0);
    assert_int_equal(cgroup_read(f.cg, true, f.values), 0);
    assert_int_equal(f.values[CONTAINER_CPU_TIME], 8);
    assert_int_equal(f.values[CONTAINER_CPU_PERIODS], 7);
    assert_int_equal(f.values[CONTAINER_MEM_LIMIT], 268435456);
    done(&f);
    remove_tree(root);
}

static void test_missing_files_are_reported(void **state)
{
    char *root = make_tree();
    struct error err = ERROR_INIT;
    struct cgroup_fs *fs = NULL;
    struct cgroup *cg = NULL;

    (void)state;
    assert_int_equal(cgroup_fs_new(&fs, root, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "no cgroup files"));
    write_text(root, "sys/fs/cgroup/unified/cgroup.controllers", "");
    write_text(root, "sys/fs/cgroup/systemd/tasks", "");
    assert_int_equal(cgroup_fs_new(&fs, root, &err), -ENOENT);

    write_text(root, "sys/fs/cgroup/cpuacct/tasks", "");
    assert_int_equal(cgroup_fs_new(&fs, root, &err), 0);
    assert_string_equal(cgroup_fs_name(fs), "cgroup1");
    assert_non_null(cgroup_fs_note(fs, 2));
    assert_int_equal(cgroup_open(&cg, fs, 1, NO_ID, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "another machine"));
    cgroup_fs_free(fs);
    remove_tree(root);
}

/* More containers than descriptors: the values are the same, and no file stays open. */
static void test_open_descriptors_are_limited(void **state)
{
    _cleanup_free_ char *root = xasprintf("%s/v2", CGROUP_TREES);
    struct fixture kept = {0}, passing = {0};

    (void)state;
    open_tree(&kept, root);
    assert_int_equal(cgroup_open(&kept.cg, kept.fs, 4242, ID, NULL), 0);
    assert_int_equal(cgroup_read(kept.cg, true, kept.values), 0);
    assert_true(cgroup_fs_n_open(kept.fs) >= 10);

    open_tree(&passing, root);
    cgroup_fs_set_max_open(passing.fs, 3);
    assert_int_equal(cgroup_open(&passing.cg, passing.fs, 4242, ID, NULL), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(cgroup_read(passing.cg, true, passing.values), 0);
    assert_int_equal(cgroup_fs_n_open(passing.fs), 3);
    assert_memory_equal(kept.values, passing.values, sizeof(kept.values));
    done(&kept);
    done(&passing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_2),
        cmocka_unit_test(test_version_2_with_fewer_files),
        cmocka_unit_test(test_missing_memory_controller_is_noted),
        cmocka_unit_test(test_version_1),
        cmocka_unit_test(test_expensive_files_are_read_seldom),
        cmocka_unit_test(test_end_of_a_container_is_noticed),
        cmocka_unit_test(test_open_files_report_the_end_of_a_container),
        cmocka_unit_test(test_container_is_found_in_each_place),
        cmocka_unit_test(test_monitor_is_not_taken_for_its_container),
        cmocka_unit_test(test_podman_has_an_inner_directory),
        cmocka_unit_test(test_missing_files_are_reported),
        cmocka_unit_test(test_open_descriptors_are_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
