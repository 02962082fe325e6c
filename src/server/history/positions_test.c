#include "server/history/positions.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void took(struct positions *p, uint64_t seq, int64_t at_ms)
{
    positions_took(p, "h", &(struct history_position){1, seq}, at_ms);
}

/* Expects the position that a round until `until_ms` writes; 0: none. */
static void expect(struct positions *p, int64_t until_ms, uint64_t seq)
{
    size_t n = 0;
    struct host_position *list = positions_take(p, until_ms, &n);

    assert_int_equal(n, seq ? 1 : 0);
    if (n == 1) {
        assert_string_equal(list[0].host, "h");
        assert_int_equal(list[0].at.epoch, 1);
        assert_int_equal(list[0].at.seq, seq);
        free(list[0].host);
    }
    free(list);
}

static void test_batches_are_taken_by_their_time(void **state)
{
    struct positions *p = positions_new();

    (void)state;
    took(p, 1, 1000);
    took(p, 2, 2000);
    took(p, 3, 3000);
    expect(p, 1000, 0);
    expect(p, 2001, 2);
    expect(p, 2001, 0);
    expect(p, 9000, 3);
    positions_free(p);
}

/* Batches are on disk in their order: a later one with an earlier time waits for the ones before. */
static void test_later_batch_waits_for_the_earlier(void **state)
{
    struct positions *p = positions_new();

    (void)state;
    took(p, 1, 5000);
    took(p, 2, 1000);
    expect(p, 2000, 0);
    expect(p, 5001, 2);
    positions_free(p);
}

/* A merged batch is on disk when the latest of its parts is, in any order of their times. */
static void test_merged_batches_have_the_latest_time(void **state)
{
    static const struct {
        int64_t first, second;
    } cases[] = {
        {9000, 1000},
        {1000, 9000},
        {9000, 9000},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct positions *p = positions_new();

        for (uint64_t seq = 1; seq < POSITIONS_WAITING; seq++)
            took(p, seq, (int64_t)seq);
        took(p, POSITIONS_WAITING, cases[i].first);
        took(p, POSITIONS_WAITING + 1, cases[i].second);
        expect(p, 9000, POSITIONS_WAITING - 1);
        expect(p, 9000, 0);
        expect(p, 9001, POSITIONS_WAITING + 1);
        positions_free(p);
    }
}

static void test_failed_round_is_reported_by_the_next(void **state)
{
    struct positions *p = positions_new();
    const struct host_position failed = {
        (char[]){"h"},
        { 1,  1}
    };

    (void)state;
    took(p, 1, 1000);
    expect(p, 2000, 1);
    positions_give_back(p, &failed);
    expect(p, 0, 1);
    took(p, 2, 1000);
    expect(p, 2000, 2);
    took(p, 3, 5000);
    positions_give_back(p, &failed); /* the third covers it */
    expect(p, 4000, 0);
    expect(p, 6000, 3);
    positions_free(p);
}

static void test_lost_data_stops_the_position_until_the_resume(void **state)
{
    struct positions *p = positions_new();
    size_t n = 9;
    char **hosts;

    (void)state;
    assert_null(positions_resume(p, &n));
    assert_int_equal(n, 0);
    took(p, 1, 1000);
    positions_lose(p, "h");
    positions_lose(p, "h");
    took(p, 2, 1000);
    expect(p, 9000, 0);
    hosts = positions_resume(p, &n);
    assert_int_equal(n, 1);
    assert_string_equal(hosts[0], "h");
    free(hosts[0]);
    free(hosts);
    assert_null(positions_resume(p, &n));
    took(p, 3, 1000);
    expect(p, 9000, 3);
    positions_free(p);
}

static void test_written_position_is_remembered(void **state)
{
    struct positions *p = positions_new();
    struct history_position at = {0};

    (void)state;
    assert_false(positions_get(p, "h", &at));
    took(p, 1, 1000);
    assert_false(positions_get(p, "h", &at));
    positions_set(p, "h", &(struct history_position){2, 3});
    assert_true(positions_get(p, "h", &at));
    assert_int_equal(at.epoch, 2);
    assert_int_equal(at.seq, 3);
    positions_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_are_taken_by_their_time),
        cmocka_unit_test(test_later_batch_waits_for_the_earlier),
        cmocka_unit_test(test_merged_batches_have_the_latest_time),
        cmocka_unit_test(test_failed_round_is_reported_by_the_next),
        cmocka_unit_test(test_lost_data_stops_the_position_until_the_resume),
        cmocka_unit_test(test_written_position_is_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
