#include "base/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define BURST      3
#define PER_SECOND 10

static void test_a_burst_then_the_rate(void **state)
{
    static const struct {
        uint64_t at_ms;
        bool is_allowed;
    } steps[] = {
        {5000, true },
        {5000, true },
        {5000, true },
        {5000, false}, /* the burst is used up */
        {5050, false}, /* half a token */
        {5100, true },
        {5100, false},
        {4000, false}, /* a clock that goes back adds nothing */
        {4100, true },
        {9000, true }, /* the level never exceeds the burst */
        {9000, true },
        {9000, true },
        {9000, false},
    };
    struct bucket b = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        assert_int_equal(bucket_take(&b, BURST, PER_SECOND, steps[i].at_ms), steps[i].is_allowed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_then_the_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
