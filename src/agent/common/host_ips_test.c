#include "agent/common/host_ips.h"
#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
/* cmocka.h needs those above */
#include <cmocka.h>

/* From a host with one network card, an alias on it, Docker and one user-defined network. */
static const char fib_trie[] = "Main:\n"
                               "  +-- 0.0.0.0/0 3 0 5\n"
                               "     |-- 0.0.0.0\n"
                               "        /0 universe UNICAST\n"
                               "     +-- 127.0.0.0/8 2 0 2\n"
                               "        +-- 127.0.0.0/31 1 0 0\n"
                               "           |-- 127.0.0.0\n"
                               "              /8 host LOCAL\n"
                               "           |-- 127.0.0.1\n"
                               "              /32 host LOCAL\n"
                               "        |-- 127.255.255.255\n"
                               "           /32 link BROADCAST\n"
                               "     +-- 169.254.0.0/16 2 0 2\n"
                               "        |-- 169.254.7.9\n"
                               "           /32 host LOCAL\n"
                               "     +-- 172.17.0.0/16 2 0 2\n"
                               "        +-- 172.17.0.0/31 1 0 0\n"
                               "           |-- 172.17.0.0\n"
                               "              /16 link UNICAST\n"
                               "           |-- 172.17.0.1\n"
                               "              /32 host LOCAL\n"
                               "     |-- 172.18.0.1\n"
                               "        /32 host LOCAL\n"
                               "     +-- 192.168.1.0/24 2 0 2\n"
                               "        +-- 192.168.1.0/28 2 0 2\n"
                               "           |-- 192.168.1.0\n"
                               "              /24 link UNICAST\n"
                               "           |-- 192.168.1.10\n"
                               "              /32 host LOCAL\n"
                               "           |-- 192.168.1.11\n"
                               "              /32 host LOCAL\n"
                               "        |-- 192.168.1.255\n"
                               "           /32 link BROADCAST\n"
                               "Local:\n"
                               "  +-- 0.0.0.0/0 3 0 5\n"
                               "     |-- 192.168.1.10\n"
                               "        /32 host LOCAL\n"
                               "     |-- 192.168.1.11\n"
                               "        /32 host LOCAL\n"
                               "     |-- 10.9.8.7\n"
                               "        /32 host LOCAL\n";

static void test_subnet(void **state)
{
    static const struct {
        const char *text;
        int r;
        uint32_t address, mask;
    } cases[] = {
        {"172.17.0.0/16", 0,       0xac110000, 0xffff0000},
        {"172.17.3.4/16", 0,       0xac110000, 0xffff0000},
        {"10.0.0.1/32",   0,       0x0a000001, 0xffffffff},
        {"0.0.0.0/0",     0,       0,          0         },
        {"10.0.0.0/33",   -EINVAL, 0,          0         },
        {"10.0.0.0/",     -EINVAL, 0,          0         },
        {"10.0.0.0",      -EINVAL, 0,          0         },
        {"10.0.0/8",      -EINVAL, 0,          0         },
        {"fd00:1::/64",   -EINVAL, 0,          0         },
        {"10.0.0.0/8/8",  -EINVAL, 0,          0         },
        {"10.0.0.0/-1",   -EINVAL, 0,          0         },
        {"",              -EINVAL, 0,          0         },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct subnet s = {0};

        assert_int_equal(subnet_parse(cases[i].text, &s), cases[i].r);
        assert_int_equal(s.address, cases[i].address);
        assert_int_equal(s.mask, cases[i].mask);
    }
}

static void test_interfaces(void **state)
{
    static const char *const engines[] = {
        "docker0", "docker_gwbridge", "cni0",    "veth1a2b3c",  "br-0123456789ab",
        "virbr0",  "flannel.1",       "cali123", "cni-podman0", "weave",
        "podman1", "vxlan.calico",    "tunl0",
    };
    static const char *const hosts[] = {"eth0",  "enp3s0",  "bond0", "br0",
                                        "wlan0", "docker1", "cni1"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(engines); i++)
        assert_true(host_ips_is_engine_interface(engines[i]));
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        assert_false(host_ips_is_engine_interface(hosts[i]));
}

static void test_fib_trie(void **state)
{
    struct subnet excluded[2];
    struct host_ips h = {0};

    (void)state;
    assert_int_equal(subnet_parse("172.17.0.0/16", &excluded[0]), 0);
    assert_int_equal(subnet_parse("172.18.0.0/16", &excluded[1]), 0);
    host_ips_from_fib_trie(&h, fib_trie, excluded, 2);
    assert_int_equal(h.n, 3);
    assert_string_equal(h.ips[0], "192.168.1.10");
    assert_string_equal(h.ips[1], "192.168.1.11");
    assert_string_equal(h.ips[2], "10.9.8.7");

    h = (struct host_ips){0};
    host_ips_from_fib_trie(&h, fib_trie, NULL, 0);
    assert_int_equal(h.n, 5);
    assert_string_equal(h.ips[0], "172.17.0.1");
}

/* A truncated file results in whole addresses only. */
static void test_fib_trie_cut(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof(fib_trie); n++) {
        _cleanup_free_ char *text = xstrndup(fib_trie, n);
        struct host_ips h = {0};
        struct subnet s;

        host_ips_from_fib_trie(&h, text, NULL, 0);
        assert_true(h.n <= 5);
        for (size_t i = 0; i < h.n; i++) {
            _cleanup_free_ char *as_subnet = xasprintf("%s/32", h.ips[i]);

            assert_int_equal(subnet_parse(as_subnet, &s), 0);
        }
    }
}

static void test_add(void **state)
{
    struct host_ips h = {0};

    (void)state;
    host_ips_add(&h, 0x7f000001);
    host_ips_add(&h, 0xa9fe0101);
    host_ips_add(&h, 0);
    assert_int_equal(h.n, 0);
    host_ips_add(&h, 0x0a000001);
    host_ips_add(&h, 0x0a000001);
    assert_int_equal(h.n, 1);
    for (uint32_t i = 0; i < 100; i++)
        host_ips_add(&h, 0x0b000000 + i);
    assert_int_equal(h.n, HOST_IPS_MAX);
    assert_string_equal(h.ips[HOST_IPS_MAX - 1], "11.0.0.48");
}

static void test_find(void **state)
{
    static const char *const folders[] = {"/host", "/host/proc", "/host/proc/1",
                                          "/host/proc/1/net"};
    char root[] = "/tmp/host_ips_test.XXXXXX";
    char invalid[] = "no subnet", bridges[] = "172.16.0.0/12";
    char *const subnets[] = {invalid, bridges};
    struct host_ips h;

    (void)state;
    assert_non_null(mkdtemp(root));
    host_ips_find(&h, root, true, NULL, 0);
    assert_int_equal(h.n, 0);

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        _cleanup_free_ char *path = xasprintf("%s%s", root, folders[i]);

        assert_int_equal(mkdir(path, 0700), 0);
    }
    {
        _cleanup_free_ char *path = xasprintf("%s%s", root, HOST_FIB_TRIE);

        assert_int_equal(file_write_atomic(path, fib_trie, strlen(fib_trie), 0600, NULL), 0);
        host_ips_find(&h, root, true, NULL, 0);
        assert_int_equal(h.n, 5);
        host_ips_find(&h, root, true, subnets, ARRAY_LEN(subnets));
        assert_int_equal(h.n, 3);
        host_ips_find(&h, root, false, NULL, 0);
        assert_int_equal(h.n, 0); /* the file is for containers only */
        (void)unlink(path);
    }
    for (size_t i = ARRAY_LEN(folders); i-- > 0;) {
        _cleanup_free_ char *path = xasprintf("%s%s", root, folders[i]);

        assert_int_equal(rmdir(path), 0);
    }
    assert_int_equal(rmdir(root), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subnet),   cmocka_unit_test(test_interfaces),
        cmocka_unit_test(test_fib_trie), cmocka_unit_test(test_fib_trie_cut),
        cmocka_unit_test(test_add),      cmocka_unit_test(test_find),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
