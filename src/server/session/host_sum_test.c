#include "server/session/host_sum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/buf.h"
#include "base/str.h"
#include "proto/samples.h"
#include "server/session/session_fixture.h"

#define GIB (INT64_C(1) << 30)

static void send_sample(struct ws *ws, const char *id, double cpu, int64_t memory)
{
    static int64_t rx;

    agent_send_event(ws, "container_stats",
                     json_pack("{s:s, s:f, s:I, s:I, s:f, s:I, s:i}", "container_id", id,
                               "cpu_percent", cpu, "memory_usage", (json_int_t)memory,
                               "memory_limit", (json_int_t)(8 * GIB), "memory_percent", 1.0,
                               "network_rx", (json_int_t)(rx += 1000), "network_tx", 0));
}

static void send_measured(struct ws *ws, double cpu)
{
    fake_ws_receive_json(ws, json_pack("{s:s, s:{s:f, s:f, s:f}}", "type", "stats", "stats",
                                       "cpu_percent", cpu, "mem_percent", 25.0, "net_bytes_per_sec",
                                       9.0));
}

static void let_pass(struct fleet_host *h, uint64_t ms)
{
    h->sums.measured_ms -= ms;
    h->sums.derived_ms -= h->sums.derived_ms > ms ? ms : h->sums.derived_ms;
}

/* A host of 4 CPUs and 8 GiB with two containers. */
static struct ws *join(struct fixture *f, struct fleet_host **ret)
{
    struct joined j;
    struct ws *ws = fixture_join(f, "go", false, &j);

    *ret = fleet_find_host(f->fleet, j.host_id);
    (*ret)->row.num_cpus = 4;
    (*ret)->row.total_memory = 8 * GIB;
    fake_advance(0);
    agent_answer_list(ws, json_pack("[o, o]", agent_container(ID_A, "/one", "running"),
                                    agent_container(ID_B, "/two", "running")));
    return ws;
}

static void test_host_is_the_sum_of_its_containers(void **state)
{
    struct fixture *f = *state;
    struct fleet_host *h;
    struct ws *ws = join(f, &h);
    uint64_t version = h->version;

    send_sample(ws, ID_A, 100, GIB);
    assert_int_equal(h->sample.sampled_at_ms, 0); /* measured ones may still come */
    let_pass(h, 4900);
    send_sample(ws, ID_B, 60, GIB);
    assert_int_equal(h->sample.sampled_at_ms, 0);
    let_pass(h, 100);
    f->n_samples = 0;
    send_sample(ws, ID_B, 100, GIB);
    assert_true(h->sample.is_derived);
    assert_true(h->version > version);
    assert_int_equal(f->n_samples, 2); /* of the container and the host */
    assert_true(h->sample.cpu_percent > 49.9 && h->sample.cpu_percent < 50.1);
    assert_true(h->sample.memory_percent > 24.9 && h->sample.memory_percent < 25.1);
    assert_int_equal(h->sample.memory_usage, 2 * GIB);
    assert_int_equal(h->sample.memory_limit, 8 * GIB);

    /* Not more often than every 2 s. */
    let_pass(h, 1500);
    send_sample(ws, ID_A, 200, GIB);
    assert_true(h->sample.cpu_percent < 51);
    let_pass(h, 500);
    send_sample(ws, ID_A, 200, 2 * GIB);
    assert_true(h->sample.cpu_percent > 74 && h->sample.cpu_percent < 76);
    assert_int_equal(h->sample.memory_usage, 3 * GIB);
    fake_ws_end(ws, 1000);
}

static void test_measured_samples_replace_sums_at_once(void **state)
{
    struct fixture *f = *state;
    struct fleet_host *h;
    struct ws *ws = join(f, &h);

    let_pass(h, 5000);
    send_sample(ws, ID_A, 100, GIB);
    assert_true(h->sample.is_derived);
    send_measured(ws, 7);
    assert_false(h->sample.is_derived);
    assert_true(h->sample.cpu_percent > 6.9 && h->sample.cpu_percent < 7.1);
    assert_int_equal(h->sample.memory_usage, 2 * GIB); /* a quarter */
    let_pass(h, 4900);
    send_sample(ws, ID_A, 100, GIB);
    assert_false(h->sample.is_derived);
    let_pass(h, 100);
    send_sample(ws, ID_A, 100, GIB);
    assert_true(h->sample.is_derived);

    /* After a new connection measured ones may come again. */
    fleet_set_online(f->fleet, h, true, 1);
    send_measured(ws, 7);
    fleet_set_online(f->fleet, h, true, 1);
    let_pass(h, 4900);
    send_sample(ws, ID_B, 100, GIB);
    assert_false(h->sample.is_derived);
    fake_ws_end(ws, 1000);
}

static void test_unknown_values_stay_unknown(void **state)
{
    struct fixture *f = *state;
    struct fleet_host *h;
    struct ws *ws = join(f, &h);

    h->row.num_cpus = h->row.total_memory = 0;
    let_pass(h, 5000);
    send_sample(ws, ID_A, 100, GIB);
    assert_int_equal(h->sample.sampled_at_ms, 0); /* no rate of the network, either */

    h->row.num_cpus = 1;
    send_sample(ws, ID_A, 150, GIB);
    assert_true(h->sample.is_derived);
    assert_true(h->sample.cpu_percent > 99.9 && h->sample.cpu_percent < 100.1);
    assert_true(h->sample.memory_percent < 0);
    assert_int_equal(h->sample.memory_usage, -1);
    assert_int_equal(h->sample.memory_limit, -1);
    fake_ws_end(ws, 1000);
}

static void send_batch(struct ws *ws, uint64_t seq, bool has_host)
{
    struct container_sample c = {.id = ID_A, .name = "one"};
    struct samples s = {.epoch = 3,
                        .seq = seq,
                        .at_ms = 1,
                        .containers = &c,
                        .n_containers = 1,
                        .has_host = has_host};
    struct buf b = BUF_INIT(4096);

    samples_clear_values(c.values, CONTAINER_METRICS);
    samples_clear_values(s.host.values, HOST_METRICS);
    c.values[CONTAINER_CPU] = 10000;
    s.host.values[HOST_CPU] = 700;
    assert_int_equal(samples_encode(&s, &b), 0);
    ws->handler->on_message(ws->owner, b.data, b.size, true);
    buf_done(&b);
}

/* Our agent measures no host when its engine is on another machine. */
static void test_agents_that_send_batches_have_longer_intervals(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "own", true, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);

    h->row.num_cpus = 2;
    agent_send_event(
        ws, "inventory_snapshot",
        agent_part("s", 0, true, json_pack("[o]", agent_container(ID_A, "/one", "running"))));
    send_batch(ws, 1, true);
    let_pass(h, 29000);
    send_batch(ws, 2, false);
    assert_false(h->sample.is_derived);
    let_pass(h, 1000);
    send_batch(ws, 3, false);
    assert_true(h->sample.is_derived);
    assert_true(h->sample.cpu_percent > 49.9 && h->sample.cpu_percent < 50.1);
    send_batch(ws, 4, true);
    assert_false(h->sample.is_derived);
    fake_ws_end(ws, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_host_is_the_sum_of_its_containers, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_measured_samples_replace_sums_at_once, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_unknown_values_stay_unknown, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_agents_that_send_batches_have_longer_intervals,
                                        fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
