/*
 * Reads the recorded trees of tests/cgroup as the host's /proc and /sys.
 */

#include "agent/stats/host.h"

#include "agent/stats/api_stats.h"
#include "agent/stats/mounts.h"
#include "agent/stats/parse.h"
#include "agent/stats/running.h"
#include "agent/stats/source_check.h"
#include "agent/stats/target.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NONE METRIC_NONE
#define ID   "c0ffee0000000000000000000000000000000000000000000000000000000001"

static struct json_span span(const char *text)
{
    return (struct json_span){text, strlen(text)};
}

static void test_host_metrics(void **state)
{
    struct host_stats *h = host_stats_new(&(struct host_stats_options){.root = CGROUP_TREES "/v2"});
    struct host_sample s = {0};

    (void)state;
    assert_int_equal(host_stats_memory(h), INT64_C(8000000) * 1024);
    assert_int_equal(host_stats_read_cpu(h)->n, 2);
    host_stats_read(h, true, &s);
    assert_int_equal(s.values[HOST_CPU], NONE); /* there is no earlier reading */
    assert_int_equal(s.values[HOST_CPUS], 2);
    assert_int_equal(s.values[HOST_LOAD_1], 52);
    assert_int_equal(s.values[HOST_LOAD_15], 1000);
    assert_int_equal(s.values[HOST_MEM_USED], INT64_C(2000000) * 1024);
    assert_int_equal(s.values[HOST_SWAP_USED], INT64_C(500000) * 1024);
    assert_int_equal(s.values[HOST_NET_RX], 1100);
    assert_int_equal(s.values[HOST_NET_TX], 550);
    assert_int_equal(s.values[HOST_UPTIME], 86400);

    /* Network file systems and further mounts of a device are left out. */
    assert_int_equal(s.n_mounts, 3);
    assert_string_equal(s.mounts[0].path, "/");
    assert_int_equal(s.mounts[0].read, 2048 * 512);
    assert_int_equal(s.mounts[0].written, 4096 * 512);
    assert_string_equal(s.mounts[1].type, "vfat");
    assert_string_equal(s.mounts[2].path, "/srv/my data");
    /* by name: btrfs mounts do not have the number of the device */
    assert_int_equal(s.mounts[2].read, 100 * 512);

    assert_int_equal(s.n_temperatures, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct temperature_sample *t = &s.temperatures[i];
        int64_t want = str_eq(t->label, "coretemp Package id 0") ? 4550
                       : str_eq(t->label, "coretemp 2")          ? 4400
                                                                 : -500;

        assert_int_equal(t->centi_degrees, want);
    }
    host_stats_read(h, false, &s);
    assert_int_equal(s.n_mounts, 3);
    host_stats_free(h);
}

static void test_zones_are_read_without_chips(void **state)
{
    struct temperature_sample t[SAMPLES_MAX_TEMPERATURES];

    (void)state;
    assert_int_equal(temperatures_read(CGROUP_TREES "/v2-no-memory", t), 1);
    assert_string_equal(t[0].label, "cpu-thermal");
    assert_int_equal(t[0].centi_degrees, 5100);
    free((char *)(uintptr_t)t[0].label);
}

/* Without files all values are unknown. */
static void test_missing_files_mean_unknown(void **state)
{
    struct host_stats *h = host_stats_new(&(struct host_stats_options){.root = "/nonexistent"});
    struct host_sample s = {0};

    (void)state;
    assert_int_equal(host_stats_read_cpu(h)->n, 0);
    host_stats_read(h, true, &s);
    for (size_t i = 0; i < HOST_METRICS; i++)
        assert_int_equal(s.values[i], NONE);
    assert_int_equal(s.n_mounts + s.n_temperatures, 0);
    host_stats_free(h);
}

/* In a container without the host's /proc, the network counters would be those of the container. */
static void test_contained_agent_does_not_report_its_own_network(void **state)
{
    struct host_stats *h = host_stats_new(
        &(struct host_stats_options){.root = CGROUP_TREES "/v2", .is_contained = true});
    struct host_sample s = {0};

    (void)state;
    host_stats_read(h, false, &s);
    assert_int_equal(s.values[HOST_NET_RX], NONE);
    assert_true(s.values[HOST_MEM_TOTAL] > 0);
    host_stats_free(h);
}

static void test_cpu_formula(void **state)
{
    (void)state;
    /* 100 ticks of 10 ms over two CPUs are half a second: 0.25 s used of it are half a core. */
    assert_int_equal(target_cpu(250000, 100, 2), 5000);
    assert_int_equal(target_cpu(1000000, 200, 2), 10000);
    assert_int_equal(target_cpu(0, 100, 2), 0);
    assert_int_equal(target_cpu(-1, 100, 2), NONE); /* the counter restarted */
    assert_int_equal(target_cpu(10, 0, 2), NONE);
    assert_int_equal(target_cpu(10, 10, 0), NONE);
    assert_int_equal(target_cpu(INT64_MAX / 2, 100, 256), NONE);
}

static const char v1_stats[] =
    "{\"pids_stats\":{\"current\":3},\"networks\":{\"eth0\":{\"rx_bytes\":5,\"tx_bytes\":6},\"eth1\":{\"rx_bytes\":7,"
    "\"tx_bytes\":8}},\"memory_stats\":{\"usage\":1000,\"limit\":5000,\"stats\":{\"total_inactive_file\":300,"
    "\"inactive_file\":1,\"total_rss\":400,\"total_cache\":500}},\"blkio_stats\":{\"io_service_bytes_recursive\":["
    "{\"major\":8,\"op\":\"Read\",\"value\":10},{\"op\":\"Write\",\"value\":20},{\"op\":\"Total\",\"value\":30},"
    "{\"op\":\"read\",\"value\":1}]},\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":2000000,\"percpu_usage\":[1,2]},"
    "\"system_cpu_usage\":8000000,\"online_cpus\":2,\"throttling_data\":{\"periods\":4,\"throttled_periods\":5,"
    "\"throttled_time\":6000}}}";

static void test_sample_of_the_engine_is_read(void **state)
{
    struct api_sample s, later, empty;

    (void)state;
    api_sample_read(span(v1_stats), &s);
    assert_int_equal(s.values[CONTAINER_CPU_TIME], 2000);
    assert_int_equal(s.values[CONTAINER_CPU_THROTTLED_TIME], 6);
    assert_int_equal(s.values[CONTAINER_MEM_USED], 700);
    assert_int_equal(s.mem_usage, 1000);
    assert_int_equal(s.values[CONTAINER_MEM_LIMIT], 5000);
    assert_int_equal(s.values[CONTAINER_MEM_ANON], 400);
    assert_int_equal(s.values[CONTAINER_MEM_KERNEL], NONE);
    assert_int_equal(s.values[CONTAINER_NET_RX], 12);
    assert_int_equal(s.values[CONTAINER_NET_TX], 14);
    assert_int_equal(s.values[CONTAINER_BLK_READ], 11);
    assert_int_equal(s.values[CONTAINER_BLK_WRITE], 20);
    assert_int_equal(s.values[CONTAINER_PIDS], 3);
    assert_int_equal(s.n_cpus, 2);

    later = s;
    later.cpu_ns += 500000;
    later.system_ns += 2000000;
    assert_int_equal(api_sample_cpu(&s, &later), 5000);
    assert_int_equal(api_sample_cpu(&later, &s), NONE);
    assert_int_equal(api_sample_cpu(&s, &s), NONE);

    api_sample_read(span("{\"networks\":null,\"cpu_stats\":[],\"memory_stats\":7}"), &empty);
    for (size_t i = 0; i < CONTAINER_METRICS; i++)
        assert_int_equal(empty.values[i], NONE);
    assert_int_equal(api_sample_cpu(&empty, &later), NONE);
}

static void test_files_are_compared_with_the_engine(void **state)
{
    static const struct {
        int64_t cpu_before, cpu_after, mem, anon, api_cpu, api_mem, api_usage;
        bool agrees;
    } cases[] = {
        {1000000, 2000000, 100 << 20, NONE,     1500000, 100 << 20, 100 << 20, true },
        {1000000, 2000000, 100 << 20, NONE,     2400000, 100 << 20, 100 << 20, true },
        {1000000, 2000000, 100 << 20, NONE,     3000000, 100 << 20, 100 << 20, false},
        {1000000, 2000000, 100 << 20, NONE,     100,     100 << 20, 100 << 20, false},
        {1000000, 2000000, 100 << 20, NONE,     1500000, 150 << 20, 150 << 20, false},
        {1000000, 2000000, 100 << 20, NONE,     1500000, 10,        100 << 20, true }, /* Podman */
        {1000000, 2000000, 300 << 20, 21 << 20, 1500000, 20 << 20,  20 << 20,  true }, /* 4.3 */
        {1000000, 2000000, 300 << 20, 90 << 20, 1500000, 20 << 20,  20 << 20,  false},
 /* no earlier reading */
        {NONE,    NONE,    NONE,      NONE,     1500000, 150 << 20, 150 << 20, true },
        {1000000, 2000000, 100 << 20, NONE,     NONE,    NONE,      NONE,      true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t before[CONTAINER_METRICS], after[CONTAINER_METRICS];
        char why[SOURCE_CHECK_TEXT];
        struct api_sample api;

        for (size_t k = 0; k < CONTAINER_METRICS; k++)
            before[k] = after[k] = api.values[k] = NONE;
        before[CONTAINER_CPU_TIME] = cases[i].cpu_before;
        after[CONTAINER_CPU_TIME] = cases[i].cpu_after;
        before[CONTAINER_MEM_USED] = after[CONTAINER_MEM_USED] = cases[i].mem;
        before[CONTAINER_MEM_ANON] = after[CONTAINER_MEM_ANON] = cases[i].anon;
        api.values[CONTAINER_CPU_TIME] = cases[i].api_cpu;
        api.values[CONTAINER_MEM_USED] = cases[i].api_mem;
        api.mem_usage = cases[i].api_usage;
        source_check_compare(before, after, &api, why);
        if ((*why == '\0') != cases[i].agrees)
            fail_msg("case %zu: %s", i, why);
    }
}

static void test_inspect_is_read(void **state)
{
    static const char running[] =
        "{\"Id\":\"" ID
        "\",\"Name\":\"/web\",\"RestartCount\":2,\"State\":{\"Running\":true,\"Paused\":true,\"Pid\":77,"
        "\"StartedAt\":\"2026-11-23T01:53:00.123456789Z\"},\"HostConfig\":{\"NetworkMode\":\"host\"}}";
    static const char stopped[] = "{\"Id\":\"" ID
                                  "\",\"Name\":\"/web\",\"State\":{\"Running\":false,\"Pid\":0}}";
    static const char bare[] = "{\"Id\":\"" ID "\",\"State\":{\"Running\":true}}";
    struct running r;

    (void)state;
    assert_true(running_from_inspect(span(running), &r));
    assert_string_equal(r.name, "web");
    assert_int_equal(r.pid, 77);
    assert_int_equal(r.restarts, 2);
    assert_int_equal(r.started_at_ms, 1795398780123);
    assert_true(r.is_host_network);
    assert_false(running_from_inspect(span(stopped), &r));
    assert_true(running_from_inspect(span(bare), &r));
    assert_int_equal(r.pid, 0);
    assert_int_equal(r.restarts, NONE);
    assert_int_equal(r.started_at_ms, NONE);
    assert_false(running_from_inspect(span("{\"Id\":\"x\",\"State\":{\"Running\":true}}"), &r));
    assert_false(running_from_inspect(span("[]"), &r));
}

static void test_mount_lines(void **state)
{
    static struct mount_table t;

    (void)state;
    mount_table_parse(
        "nonsense\n1 2 3\n24 1 x / / rw - ext4 /dev/a rw\n24 1 8:1 / /a\\134b rw - ext4 /dev/b rw\n"
        "24 1 8:2 / /c rw - ext4",
        &t);
    assert_int_equal(t.n, 1);
    assert_string_equal(t.lines[0].path, "/a\\b");
    mount_table_done(&t);
    mount_table_parse("", &t);
    assert_int_equal(t.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_metrics),
        cmocka_unit_test(test_zones_are_read_without_chips),
        cmocka_unit_test(test_missing_files_mean_unknown),
        cmocka_unit_test(test_contained_agent_does_not_report_its_own_network),
        cmocka_unit_test(test_cpu_formula),
        cmocka_unit_test(test_sample_of_the_engine_is_read),
        cmocka_unit_test(test_files_are_compared_with_the_engine),
        cmocka_unit_test(test_inspect_is_read),
        cmocka_unit_test(test_mount_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
