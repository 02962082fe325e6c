#include "server/auth/limit.h"

/* cmocka includes need these first, in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

static void test_hits_are_counted_in_a_sliding_window(void **state)
{
    static const struct {
        uint64_t now_ms;
        int code;
        uint64_t wait_ms;
    } steps[] = {
        {0,     0,       0   },
        {100,   0,       0   },
        {500,   0,       0   },
        {600,   -EAGAIN, 400 },
        {999,   -EAGAIN, 1   },
        {1000,  0,       0   }, /* the hit at 0 has left the window */
        {1001,  -EAGAIN, 99  },
        {1100,  0,       0   },
        {1500,  0,       0   },
        {1501,  -EAGAIN, 499 },
        {90000, 0,       0   },
        {90000, 0,       0   },
        {90000, 0,       0   },
        {90000, -EAGAIN, 1000},
    };
    struct limit *l = limit_new(3, 1000, 10);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        uint64_t wait_ms = 0;

        assert_int_equal(limit_take(l, "k", steps[i].now_ms, &wait_ms), steps[i].code);
        assert_int_equal(wait_ms, steps[i].wait_ms);
    }
    limit_free(l);
}

static void test_undone_hits_do_not_count(void **state)
{
    struct limit *l = limit_new(2, 1000, 10);
    uint64_t wait_ms;

    (void)state;
    limit_undo(l, "k"); /* unknown */
    for (uint64_t now = 0; now < 10; now++) {
        assert_int_equal(limit_take(l, "k", now, &wait_ms), 0);
        limit_undo(l, "k");
        limit_undo(l, "k"); /* nothing left to undo */
    }
    assert_int_equal(limit_take(l, "k", 10, &wait_ms), 0);
    assert_int_equal(limit_take(l, "k", 20, &wait_ms), 0);
    assert_int_equal(limit_take(l, "k", 1010, &wait_ms), 0); /* takes the place of the hit at 10 */
    limit_undo(l, "k");
    assert_int_equal(limit_take(l, "k", 1011, &wait_ms), 0);
    assert_int_equal(limit_take(l, "k", 1012, &wait_ms), -EAGAIN);
    assert_int_equal(wait_ms, 8); /* the hit at 20 is the oldest */
    limit_free(l);
}

static void test_keys_are_limited_separately(void **state)
{
    struct limit *l = limit_new(1, 1000, 10);
    uint64_t wait_ms;

    (void)state;
    assert_int_equal(limit_take(l, "a", 0, &wait_ms), 0);
    assert_int_equal(limit_take(l, "b", 0, &wait_ms), 0);
    assert_int_equal(limit_take(l, "a", 0, &wait_ms), -EAGAIN);
    limit_forget(l, "a");
    limit_forget(l, "unknown");
    assert_int_equal(limit_take(l, "a", 0, &wait_ms), 0);
    assert_int_equal(limit_take(l, "b", 0, &wait_ms), -EAGAIN);
    limit_free(l);
}

static void test_the_table_is_bounded_and_drops_the_least_recently_used(void **state)
{
    struct limit *l = limit_new(1, 1000, 3);
    uint64_t wait_ms;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "peer %d", i);
        assert_int_equal(limit_take(l, key, 0, &wait_ms), 0);
        /* This key is used all the time, so it is never the least recently used one. */
        assert_int_equal(limit_take(l, "busy", 0, &wait_ms), i == 0 ? 0 : -EAGAIN);
        assert_true(limit_size(l) <= 3);
    }
    limit_free(l);
    limit_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hits_are_counted_in_a_sliding_window),
        cmocka_unit_test(test_undone_hits_do_not_count),
        cmocka_unit_test(test_keys_are_limited_separately),
        cmocka_unit_test(test_the_table_is_bounded_and_drops_the_least_recently_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
