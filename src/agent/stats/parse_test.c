#include "agent/stats/parse.h"

#include "base/alloc.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MAX  INT64_MAX
#define NONE METRIC_NONE

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        int64_t want;
    } cases[] = {
        {"0\n",                    0                  },
        {"33009664\n",             33009664           },
        {"max\n",                  MAX                },
        {"9223372036854771712\n",  9223372036854771712},
        {"9223372036854775807",    MAX                },
        {"9223372036854775808",    MAX                },
        {"99999999999999999999\n", MAX                },
        {"",                       NONE               },
        {"\n",                     NONE               },
        {"-1\n",                   NONE               },
        {"x",                      NONE               },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(stats_number(cases[i].text), cases[i].want);
}

static void test_keys(void **state)
{
    static const char text[] =
        "cache 100\nrss 7\ntotal_rss 8\ntotal_inactive_file 4096\n"
        "inactive_file\nhierarchical_memory_limit 9223372036854771712\nend 1";
    int64_t rss = NONE, total = NONE, gone = NONE, inactive = NONE, end = NONE;
    const struct stats_key wanted[] = {
        {"rss",           &rss     },
        {"total_rss",     &total   },
        {"total_rs",      &gone    },
        {"inactive_file", &inactive},
        {"end",           &end     },
    };

    (void)state;
    stats_find(text, wanted, ARRAY_LEN(wanted));
    assert_int_equal(rss, 7);
    assert_int_equal(total, 8);
    assert_int_equal(gone, NONE);
    assert_int_equal(inactive, NONE);
    assert_int_equal(end, 1);
}

static void test_io(void **state)
{
    static const struct {
        const char *text;
        int64_t read, written;
        bool is_v2;
    } cases[] = {
        {"253:0 Read 4096\n253:0 Write 8192\n253:0 Sync 1\n253:0 Total 12288\nTotal 12288\n", 4096,
         8192,                                                                                            false},
        {"8:0 read 1\n8:0 write 2\n8:16 Read 3\n8:16 Write 4\n",                              4,    6,    false},
        {"Total 0\n",                                                                         0,    0,    false},
        {"",                                                                                  0,    0,    false},
        {"8:0 Read\n8:0 Write x\n",                                                           0,    0,    false},
        {"8:0 Reads 5\n8:0 Writ 5\n",                                                         0,    0,    false},
        {"8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=3 dios=4\n",                       4096, 8192, true },
        {"8:0 rbytes=1 wbytes=2 rios=9\n253:1 rbytes=10 wbytes=20\n",                         11,   22,   true },
        {"8:0\n",                                                                             0,    0,    true },
        {"",                                                                                  0,    0,    true },
        {"8:0 rbytes= wbytes=7",                                                              0,    7,    true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t r = -5, w = -5;

        (cases[i].is_v2 ? stats_io_v2 : stats_io_v1)(cases[i].text, &r, &w);
        assert_int_equal(r, cases[i].read);
        assert_int_equal(w, cases[i].written);
    }
}

static void test_pressure(void **state)
{
    int64_t some, full;

    (void)state;
    stats_pressure("some avg10=12.34 avg60=0.00 avg300=0.00 total=1\n"
                   "full avg10=0.05 avg60=1.00 avg300=0.00 total=1\n",
                   &some, &full);
    assert_int_equal(some, 1234);
    assert_int_equal(full, 5);
    stats_pressure("some avg10=100.00 avg60=0.00\n", &some, &full);
    assert_int_equal(some, 10000);
    assert_int_equal(full, NONE);
    stats_pressure("some avg10=7\nfull avg10=1.5", &some, &full);
    assert_int_equal(some, 700);
    assert_int_equal(full, 150);
    stats_pressure("", &some, &full);
    assert_int_equal(some, NONE);
}

static const char net_dev[] =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n"
    "    lo: 1111       1    0    0    0     0          0         0     1111       1    0    0    0\n"
    "  eth0:  500       2    0    0    0     0          0         0      700       3    0    0    0\n"
    "eth1:20 2 0 0 0 0 0 0 30 3 0 0 0 0 0 0\n"
    " short: 1 2 3\n";

static bool is_eth1(const char *name)
{
    return str_eq(name, "eth1");
}

static void test_networks(void **state)
{
    struct stats_net net = stats_net_dev(net_dev);

    (void)state;
    assert_int_equal(net.rx, 520);
    assert_int_equal(net.tx, 730);
    assert_int_equal(net.n, 2);
    net = stats_net_dev_if(net_dev, is_eth1);
    assert_int_equal(net.rx, 20);
    assert_int_equal(net.n, 1);
    net = stats_net_dev("");
    assert_int_equal(net.n, 0);
    assert_int_equal(net.rx, 0);
}

static const char proc_stat[] = "cpu  10 20 30 400 50 6 7 800 9 10\n"
                                "cpu0 5 10 15 200 25 3 3 400 4 5\n"
                                "cpu1 5 10 15 200 25 3 4 400 5 5\n"
                                "intr 1 2 3\n";

static void test_cpus(void **state)
{
    struct stats_cpu cpu = stats_cpu(proc_stat);

    (void)state;
    assert_int_equal(cpu.docker, 523);
    assert_int_equal(cpu.all, 1323);
    assert_int_equal(cpu.idle, 450);
    assert_int_equal(cpu.n, 2);
    assert_int_equal(stats_cpu("intr 1").n, 0);
    assert_int_equal(stats_cpu("cpu  1 2 3 4").docker, 10);
}

static void test_cgroup_paths(void **state)
{
    static const char v1[] = "12:cpu,cpuacct:/docker/aa\n11:memory:/docker/bb\n"
                             "1:name=systemd:/docker/cc\n0::/system.slice/docker.service\n";
    static const struct {
        const char *text, *controller, *want;
    } cases[] = {
        {v1,                                "cpuacct", "/docker/aa"                  },
        {v1,                                "cpu",     "/docker/aa"                  },
        {v1,                                "memory",  "/docker/bb"                  },
        {v1,                                "mem",     NULL                          },
        {v1,                                "pids",    NULL                          },
        {v1,                                NULL,      "/system.slice/docker.service"},
        {"0::/../ab\n",                     NULL,      "/../ab"                      },
        {"0::/a:b\n",                       NULL,      "/a:b"                        },
        {"",                                NULL,      NULL                          },
        {"nonsense\n5:memory\n9:memory:/x", "memory",  "/x"                          },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = 0;
        const char *path = stats_cgroup_path(cases[i].text, cases[i].controller, &n);
        _cleanup_free_ char *copy = path ? xstrndup(path, n) : NULL;

        if (!str_eq(copy, cases[i].want))
            fail_msg("case %zu: %s", i, copy ? copy : "nothing");
    }
}

static void test_loads(void **state)
{
    int64_t l[3];

    (void)state;
    stats_loads("0.07 12.50 3.99 2/345 6789\n", l);
    assert_int_equal(l[0], 7);
    assert_int_equal(l[1], 1250);
    assert_int_equal(l[2], 399);
    stats_loads("1.00", l);
    assert_int_equal(l[0], 100);
    assert_int_equal(l[1], NONE);
}

/* Reads texts cut at any length; the sanitizer detects reads beyond the end. */
static void test_cut_texts_are_not_read_beyond_their_end(void **state)
{
    const char *const texts[] = {net_dev, proc_stat, "12:cpu,cpuacct:/docker/aa\n0::/x\n",
                                 "8:0 Read 4096\n8:0 rbytes=1 wbytes=2\n",
                                 "some avg10=12.34 avg60=0.00\nfull avg10=1.00\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (size_t n = 0; n <= strlen(texts[i]); n++) {
            _cleanup_free_ char *cut = xstrndup(texts[i], n);
            int64_t a, b, l[3];
            const struct stats_key key = {"avg10", &a};
            size_t size;

            (void)stats_number(cut);
            stats_find(cut, &key, 1);
            stats_io_v1(cut, &a, &b);
            stats_io_v2(cut, &a, &b);
            stats_pressure(cut, &a, &b);
            (void)stats_net_dev(cut);
            (void)stats_cpu(cut);
            (void)stats_cgroup_path(cut, "cpu", &size);
            (void)stats_cgroup_path(cut, NULL, &size);
            stats_loads(cut, l);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_io),
        cmocka_unit_test(test_pressure),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_cpus),
        cmocka_unit_test(test_loads),
        cmocka_unit_test(test_cgroup_paths),
        cmocka_unit_test(test_cut_texts_are_not_read_beyond_their_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
