#include "base/alloc.h"
#include "base/file.h"
#include "daemon/own_container.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
/* cmocka.h needs those above */
#include <cmocka.h>

#define ID  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

struct sample {
    const char *what;
    const char *text;
    const char *id; /* NULL: none */
};

static const struct sample mountinfos[] = {
    {"docker",
     "1 2 0:50 / / rw,relatime master:1 - overlay overlay rw\n"
     "3 1 0:53 / /proc rw,nosuid shared:5 - proc proc rw\n"
     "4 1 254:1 /var/lib/docker/containers/" ID
     "/resolv.conf /etc/resolv.conf rw - ext4 /dev/vda1 rw\n"
     "5 1 254:1 /var/lib/docker/containers/" ID "/hostname /etc/hostname rw - ext4 /dev/vda1 rw\n",
     ID                                                                                                       },
    {"docker with its own data disk",
     "5 1 254:1 /containers/" ID "/hosts /etc/hosts rw - ext4 /dev/vdb rw",                               ID  },
    {"podman",
     "5 1 0:24 /containers/storage/overlay-containers/" ID
     "/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw\n",                                            ID  },
    {"rootless podman",
     "5 1 0:24 /user/1000/containers/overlay-containers/" ID
     "/userdata/hosts /etc/hosts rw - tmpfs tmpfs rw\n",                                                  ID  },
    {"a host with containers",
     "90 1 0:60 / /var/lib/docker/overlay2/" ID "/merged rw - overlay overlay rw\n"
     "91 1 0:61 / /var/lib/docker/containers/" ID "/mounts/shm rw - tmpfs shm rw\n",
     NULL                                                                                                     },
    {"another container's file mounted elsewhere",
     "5 1 254:1 /var/lib/docker/containers/" ID "/hostname /mnt/hostname rw - ext4 /dev/vda1 rw\n",
     NULL                                                                                                     },
    {"a volume with a file of that name",
     "5 1 254:1 /var/lib/docker/volumes/" ID "/_data/hosts /etc/hosts rw - ext4 /dev/vda1 rw\n",
     NULL                                                                                                     },
    {"an id that is too short",
     "5 1 254:1 /var/lib/docker/containers/0123456789ab/hostname /etc/hostname rw - ext4 /dev/vda1 rw\n",
     NULL                                                                                                     },
    {"kubernetes",
     "5 1 254:1 /var/lib/kubelet/pods/0a1b/etc-hosts /etc/hosts rw - ext4 /dev/vda1 rw\n",                NULL},
    {"short lines",                                "1 2\n\n3 4 5 6\n",                                    NULL},
    {"nothing",                                    "",                                                    NULL},
};

static const struct sample cgroups[] = {
    {"v1, cgroupfs",
     "12:pids:/docker/" ID "\n11:cpu,cpuacct:/docker/" ID "\n0::/system.slice/containerd.service\n",
     ID                                                                                                          },
    {"v1, systemd",        "3:name=systemd:/system.slice/docker-" ID ".scope\n",                             ID  },
    {"v2, systemd",        "0::/system.slice/docker-" ID ".scope\n",                                         ID  },
    {"v2, host namespace", "0::/docker/" ID "\n",                                                            ID  },
    {"v2, private",        "0::/\n",                                                                         NULL},
    {"podman",             "0::/machine.slice/libpod-" ID ".scope/container\n",                              ID  },
    {"podman v1",          "9:memory:/libpod_parent/libpod-" ID "\n",                                        ID  },
    {"kubernetes",         "0::/kubepods.slice/kubepods-pod0a.slice/cri-containerd-" ID ".scope\n",          ID  },
    {"nested",             "0::/docker/" ID "/docker/" ID2 "\n",                                             ID2 },
    {"a login",            "0::/user.slice/user-1000.slice/session-3.scope\n",                               NULL},
    {"a service",          "1:name=systemd:/system.slice/docker.service\n0::/system.slice/docker.service\n",
     NULL                                                                                                        },
    {"65 digits",          "0::/docker/a" ID "\n",                                                           NULL},
    {"upper case",         "0::/docker/0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF\n",
     NULL                                                                                                        },
    {"no colons",          "/docker/" ID "\n",                                                               NULL},
    {"nothing",            "",                                                                               NULL},
};

static void check(const struct sample *s, bool (*parse)(const char *, char *))
{
    char id[OWN_CONTAINER_SIZE] = "untouched";
    bool is_found = parse(s->text, id);

    if (is_found != (s->id != NULL) || strcmp(id, s->id ? s->id : "untouched") != 0)
        fail_msg("%s: %s", s->what, id);
}

static void test_mountinfo(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(mountinfos); i++)
        check(&mountinfos[i], own_container_from_mountinfo);
}

static void test_cgroup(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cgroups); i++)
        check(&cgroups[i], own_container_from_cgroup);
}

/* A truncated file results in a whole ID or none. */
static void test_cut(void **state)
{
    char id[OWN_CONTAINER_SIZE];

    (void)state;
    for (size_t n = 0; n <= strlen(mountinfos[0].text); n++) {
        _cleanup_free_ char *text = xstrndup(mountinfos[0].text, n);

        if (own_container_from_mountinfo(text, id))
            assert_string_equal(id, ID);
    }
    for (size_t n = 0; n <= strlen(cgroups[2].text); n++) {
        _cleanup_free_ char *text = xstrndup(cgroups[2].text, n);

        if (own_container_from_cgroup(text, id))
            assert_string_equal(id, ID);
    }
}

static void test_hostname(void **state)
{
    char id[OWN_CONTAINER_SIZE] = "";

    (void)state;
    assert_true(own_container_from_hostname("0123456789ab", id));
    assert_string_equal(id, "0123456789ab");
    assert_true(own_container_from_hostname(ID, id));
    assert_string_equal(id, ID);
    assert_false(own_container_from_hostname("0123456789a", id));
    assert_false(own_container_from_hostname("0123456789abc", id));
    assert_false(own_container_from_hostname("docker-host1", id));
    assert_false(own_container_from_hostname("", id));
    assert_false(own_container_from_hostname(NULL, id));
}

static void write_below(const char *root, const char *name, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/proc/self/%s", root, name);

    assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, NULL), 0);
}

static void remove_below(const char *root, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", root, name);

    assert_int_equal(remove(path), 0);
}

/* Mounts take precedence over cgroups, and cgroups over HOSTNAME. */
static void test_order(void **state)
{
    char root[] = "/tmp/own_container_test.XXXXXX";
    _cleanup_free_ char *proc = NULL;
    _cleanup_free_ char *self = NULL;
    char id[OWN_CONTAINER_SIZE];

    (void)state;
    assert_non_null(mkdtemp(root));
    proc = xasprintf("%s/proc", root);
    self = xasprintf("%s/proc/self", root);
    assert_int_equal(mkdir(proc, 0700), 0);
    assert_int_equal(mkdir(self, 0700), 0);

    assert_false(own_container_find(root, "myhost", id));
    assert_true(own_container_find(root, "0123456789ab", id));
    assert_string_equal(id, "0123456789ab");

    write_below(root, "cgroup", "0::/docker/" ID2 "\n");
    assert_true(own_container_find(root, "0123456789ab", id));
    assert_string_equal(id, ID2);

    write_below(root, "mountinfo", mountinfos[0].text);
    assert_true(own_container_find(root, "0123456789ab", id));
    assert_string_equal(id, ID);

    write_below(root, "mountinfo", "");
    write_below(root, "cgroup", "0::/\n");
    assert_false(own_container_find(root, "myhost", id));

    remove_below(root, "proc/self/mountinfo");
    remove_below(root, "proc/self/cgroup");
    remove_below(root, "proc/self");
    remove_below(root, "proc");
    assert_int_equal(rmdir(root), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mountinfo), cmocka_unit_test(test_cgroup), cmocka_unit_test(test_cut),
        cmocka_unit_test(test_hostname),  cmocka_unit_test(test_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
