#include "server/command/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define S UINT64_C(1000)

static void open_at(struct breaker *b, uint64_t now)
{
    for (unsigned i = 1; i < BREAKER_FAILURES; i++)
        assert_false(breaker_on_failure(b, now));
    assert_int_equal(breaker_check(b, now), BREAKER_CLOSED);
    assert_true(breaker_on_failure(b, now));
}

static void test_opens_after_five_failures(void **state)
{
    struct breaker b = {0};

    (void)state;
    open_at(&b, 100 * S);
    assert_int_equal(breaker_check(&b, 100 * S), BREAKER_OPEN);
    assert_int_equal(breaker_check(&b, 130 * S - 1), BREAKER_OPEN);
    assert_int_equal(breaker_check(&b, 130 * S), BREAKER_HALF_OPEN);
}

/* Successes in between do not matter, the time does. */
static void test_counts_the_failures_of_a_minute(void **state)
{
    struct breaker b = {0};

    (void)state;
    for (uint64_t i = 0; i < 20; i++) {
        assert_false(breaker_on_failure(&b, 100 * S + i * 15 * S));
        assert_false(breaker_on_success(&b, 100 * S + i * 15 * S));
    }
    b = (struct breaker){0};
    for (uint64_t i = 0; i < 4; i++)
        assert_false(breaker_on_failure(&b, 100 * S + i * 15 * S - i));
    assert_true(breaker_on_failure(&b, 160 * S - 4));
}

static void test_half_open(void **state)
{
    struct breaker b = {0};

    (void)state;
    open_at(&b, 0);
    assert_false(breaker_on_success(&b, 1)); /* of a command that was sent before */
    assert_false(breaker_on_failure(&b, 2));
    assert_int_equal(breaker_check(&b, 30 * S), BREAKER_HALF_OPEN);
    assert_false(breaker_on_success(&b, 30 * S));
    assert_true(breaker_on_failure(&b, 31 * S));
    assert_int_equal(breaker_check(&b, 61 * S - 1), BREAKER_OPEN);
    assert_false(breaker_on_success(&b, 61 * S));
    assert_true(breaker_on_success(&b, 61 * S));
    assert_int_equal(breaker_check(&b, 61 * S), BREAKER_CLOSED);
    open_at(&b, 62 * S); /* it counts from the beginning */
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(breaker_state_name(BREAKER_CLOSED), "closed");
    assert_string_equal(breaker_state_name(BREAKER_OPEN), "open");
    assert_string_equal(breaker_state_name(BREAKER_HALF_OPEN), "half_open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens_after_five_failures),
        cmocka_unit_test(test_counts_the_failures_of_a_minute),
        cmocka_unit_test(test_half_open),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
