#include "agent/stats/schedule.h"

#include "base/macros.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define REST_MS UINT64_C(10000)
#define LIVE_MS UINT64_C(1000)
#define BEGIN   UINT64_C(100000)

struct counts {
    unsigned n_rest, n_live, n_host, n_thorough;
};

/* Lets time pass in steps of 10 ms and counts the ticks. */
static struct counts run(struct schedule *s, uint64_t from, uint64_t until)
{
    struct counts n = {0};
    struct schedule_tick tick;

    for (uint64_t now = from; now < until; now += 10) {
        if (!schedule_begin(s, now, &tick))
            continue;
        n.n_rest += tick.is_rest;
        n.n_live += !tick.is_rest;
        n.n_host += tick.has_host;
        n.n_thorough += tick.is_thorough;
    }
    return n;
}

static void test_without_demand_only_the_rest_interval_ticks(void **state)
{
    struct schedule s;
    struct counts n;

    (void)state;
    schedule_init(&s, REST_MS, LIVE_MS, BEGIN);
    assert_int_equal(schedule_next(&s, BEGIN), BEGIN + LIVE_MS);
    n = run(&s, BEGIN, BEGIN + 30000);
    assert_int_equal(n.n_rest, 3);
    assert_int_equal(n.n_live, 0);
    assert_int_equal(n.n_host, 3);
    assert_int_equal(n.n_thorough, 3);
    assert_false(schedule_is_watched(&s, "a"));
    schedule_done(&s);
}

static void test_rate_brings_live_ticks_until_it_expires(void **state)
{
    struct msg_stats_rate rate = {.interval_ms = 2000, .ttl_s = 20};
    struct schedule s;
    struct counts n;

    (void)state;
    schedule_init(&s, REST_MS, LIVE_MS, BEGIN);
    (void)run(&s, BEGIN, BEGIN + 2000); /* the first tick is over */
    strings_add(&rate.containers, "a");
    schedule_set_rate(&s, &rate, BEGIN + 2000);
    assert_true(schedule_is_watched(&s, "a"));
    assert_false(schedule_is_watched(&s, "b"));
    n = run(&s, BEGIN + 2000, BEGIN + 22000);
    assert_int_equal(n.n_live, 10);
    assert_int_equal(n.n_rest, 2);
    assert_int_equal(n.n_host, n.n_rest); /* the rate does not include it */
    assert_true(n.n_thorough < n.n_rest + n.n_live);
    n = run(&s, BEGIN + 22000, BEGIN + 42000);
    assert_int_equal(n.n_live, 0);
    strings_done(&rate.containers);
    schedule_done(&s);
}

static void test_first_live_tick_keeps_a_distance(void **state)
{
    const struct msg_stats_rate rate = {
        .interval_ms = 1000, .ttl_s = 60, .host = true, .all = true};
    struct schedule s;
    struct counts n;

    (void)state;
    schedule_init(&s, REST_MS, LIVE_MS, BEGIN);
    (void)run(&s, BEGIN, BEGIN + LIVE_MS + 10); /* ticks at BEGIN + LIVE_MS */
    schedule_set_rate(&s, &rate, BEGIN + LIVE_MS + 10);
    assert_true(schedule_is_watched(&s, "any"));
    assert_int_equal(schedule_next(&s, BEGIN + LIVE_MS + 10), BEGIN + LIVE_MS + LIVE_MS / 2);
    n = run(&s, BEGIN + LIVE_MS + 10, BEGIN + LIVE_MS + 3010);
    assert_int_equal(n.n_live, 3);
    assert_int_equal(n.n_host, 3);
    schedule_done(&s);
}

static void test_eager_reads_everything_at_the_live_interval(void **state)
{
    struct schedule s;
    struct counts n;

    (void)state;
    schedule_init(&s, REST_MS, LIVE_MS, BEGIN);
    (void)run(&s, BEGIN, BEGIN + 2000);
    schedule_set_eager(&s, true, BEGIN + 2000);
    n = run(&s, BEGIN + 2000, BEGIN + 3500);
    assert_int_equal(n.n_rest, 1); /* soon, without waiting for a whole interval */
    n = run(&s, BEGIN + 3500, BEGIN + 13500);
    assert_int_equal(n.n_rest + n.n_live, 10);
    assert_int_equal(n.n_host, 10);
    schedule_reset(&s);
    n = run(&s, BEGIN + 13500, BEGIN + 33500);
    assert_int_equal(n.n_live, 0);
    assert_int_equal(n.n_rest, 2);
    schedule_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_demand_only_the_rest_interval_ticks),
        cmocka_unit_test(test_rate_brings_live_ticks_until_it_expires),
        cmocka_unit_test(test_first_live_tick_keeps_a_distance),
        cmocka_unit_test(test_eager_reads_everything_at_the_live_interval),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
