#include "base/macros.h"
#include "net/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those above */
#include <cmocka.h>

#define ROUNDS 4000

static void test_ceiling(void **state)
{
    static const uint64_t ceilings[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct backoff b;

    (void)state;
    backoff_init(&b, 1000, 60000);
    for (size_t i = 0; i < ARRAY_LEN(ceilings); i++) {
        assert_int_equal(backoff_ceiling(&b), ceilings[i]);
        assert_true(backoff_next(&b) <= ceilings[i]);
    }
    backoff_reset(&b);
    assert_int_equal(backoff_ceiling(&b), 1000);
}

/* Many attempts do not overflow. */
static void test_for_ever(void **state)
{
    struct backoff b;

    (void)state;
    backoff_init(&b, 3, UINT64_MAX / 2);
    for (size_t i = 0; i < 1000; i++)
        assert_true(backoff_next(&b) <= UINT64_MAX / 2);
    assert_true(backoff_ceiling(&b) == UINT64_MAX / 2);
    backoff_init(&b, 0, 0);
    assert_int_equal(backoff_next(&b), 0);
}

/*
 * Full jitter is uniform over the whole range: each tenth of it gets a tenth of the waits. The
 * bounds are eight standard deviations wide, so chance does not break the test.
 */
static void test_distribution(void **state)
{
    unsigned tenths[10] = {0};

    (void)state;
    for (size_t i = 0; i < ROUNDS; i++) {
        struct backoff b;

        backoff_init(&b, 1000, 60000);
        b.attempts = 3;
        tenths[backoff_next(&b) * 10 / 8001]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(tenths); i++)
        assert_in_range(tenths[i], ROUNDS / 10 - 152, ROUNDS / 10 + 152);
}

static void test_slowest(void **state)
{
    uint64_t least = UINT64_MAX, most = 0;
    struct backoff b;

    (void)state;
    for (size_t i = 0; i < ROUNDS; i++) {
        uint64_t ms;

        backoff_init(&b, 1000, 60000);
        ms = backoff_slowest(&b);
        least = ms < least ? ms : least;
        most = ms > most ? ms : most;
    }
    assert_in_range(least, 30000, 31000);
    assert_in_range(most, 59000, 60000);
    assert_int_equal(backoff_ceiling(&b), 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_for_ever),
        cmocka_unit_test(test_distribution),
        cmocka_unit_test(test_slowest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
