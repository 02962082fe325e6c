#include "agent/stats/interval.h"

#include "base/macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_rounds_keep_their_grid(void **state)
{
    static const struct {
        uint64_t now;
        bool is_due;
        uint64_t next;
    } steps[] = {
        {9999,  false, 10000},
        {10000, true,  20000},
        {10001, false, 20000},
        {23000, true,  30000}, /* late */
        {30000, true,  40000},
        {55000, true,  65000}, /* too late: one round was skipped */
        {65000, true,  75000},
    };
    uint64_t at = 10000;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        assert_int_equal(interval_is_due(&at, steps[i].now, 10000), steps[i].is_due);
        assert_int_equal(at, steps[i].next);
    }
}

/* From the second round on, whatever the offset of the two, ticks are at least half a
 * second apart. */
static void test_two_intervals_are_merged(void **state)
{
    (void)state;
    for (uint64_t apart = 0; apart < 1000; apart += 50) {
        uint64_t rest = 10000 + apart, live = 10000, last = 0;

        for (uint64_t now = 10000; now < 60000; now += 10) {
            bool is_rest, is_live;

            interval_merge(&rest, &live, now, 500);
            is_rest = interval_is_due(&rest, now, 10000);
            is_live = interval_is_due(&live, now, 1000);
            if (!is_rest && !is_live)
                continue;
            assert_true(last == 0 || now - last >= 500);
            assert_true(last == 0 || now - last <= 1500);
            last = now;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounds_keep_their_grid),
        cmocka_unit_test(test_two_intervals_are_merged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
