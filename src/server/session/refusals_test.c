/* Tests of the refused attempts that users see: their order, repetitions, and the limits. */

#include "server/session/refusals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static void test_the_newest_is_first(void **state)
{
    struct refusals r = {0};

    (void)state;
    refusals_note(&r, "192.0.2.1", "a", "one", 1);
    refusals_note(&r, NULL, "b", "two", 2);
    assert_int_equal(r.n, 2);
    assert_string_equal(r.entries[0].text, "two");
    assert_string_equal(r.entries[0].peer, "");
    assert_string_equal(r.entries[1].peer, "192.0.2.1");
}

static void test_repetitions_are_one_entry(void **state)
{
    struct refusals r = {0};

    (void)state;
    refusals_note(&r, "192.0.2.1", "a", "one", 1);
    refusals_note(&r, "192.0.2.2", "a", "one", 2);
    refusals_note(&r, "192.0.2.1", "a", "one", 3);
    assert_int_equal(r.n, 2);
    assert_string_equal(r.entries[0].peer, "192.0.2.1");
    assert_int_equal(r.entries[0].count, 2);
    assert_int_equal(r.entries[0].at_ms, 3);
    assert_int_equal(r.entries[1].count, 1);
}

static void test_the_oldest_makes_room_and_long_text_is_cut(void **state)
{
    struct refusals r = {0};
    char text[400];

    (void)state;
    for (int i = 0; i < REFUSALS_MAX + 1; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        refusals_note(&r, "192.0.2.1", "a", text, i);
    }
    assert_int_equal(r.n, REFUSALS_MAX);
    assert_string_equal(r.entries[REFUSALS_MAX - 1].text, "1");
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    refusals_note(&r, text, "a", text, 1);
    refusals_note(&r, text, "a", text, 2);
    assert_int_equal(r.entries[0].count, 2);
    assert_int_equal(strlen(r.entries[0].text), sizeof(r.entries[0].text) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_newest_is_first),
        cmocka_unit_test(test_repetitions_are_one_entry),
        cmocka_unit_test(test_the_oldest_makes_room_and_long_text_is_cut),
    };

    return cmocka_run_group_tests_name("refusals", tests, NULL, NULL);
}
