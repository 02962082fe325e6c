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

        assert_int_equal(limit_take(l, "k", "g", steps[i].now_ms, &wait_ms), steps[i].code);
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
        assert_int_equal(limit_take(l, "k", "g", now, &wait_ms), 0);
        limit_undo(l, "k");
        limit_undo(l, "k"); /* nothing left to undo */
    }
    assert_int_equal(limit_take(l, "k", "g", 10, &wait_ms), 0);
    assert_int_equal(limit_take(l, "k", "g", 20, &wait_ms), 0);
    assert_int_equal(limit_take(l, "k", "g", 1010, &wait_ms),
                     0); /* takes the place of the hit at 10 */
    limit_undo(l, "k");
    assert_int_equal(limit_take(l, "k", "g", 1011, &wait_ms), 0);
    assert_int_equal(limit_take(l, "k", "g", 1012, &wait_ms), -EAGAIN);
    assert_int_equal(wait_ms, 8); /* the hit at 20 is the oldest */
    limit_free(l);
}

static void test_keys_are_limited_separately(void **state)
{
    struct limit *l = limit_new(1, 1000, 10);
    uint64_t wait_ms;

    (void)state;
    assert_int_equal(limit_take(l, "a", "g", 0, &wait_ms), 0);
    assert_int_equal(limit_take(l, "b", "g", 0, &wait_ms), 0);
    assert_int_equal(limit_take(l, "a", "g", 0, &wait_ms), -EAGAIN);
    limit_forget(l, "a");
    limit_forget(l, "unknown");
    assert_int_equal(limit_take(l, "a", "g", 0, &wait_ms), 0);
    assert_int_equal(limit_take(l, "b", "g", 0, &wait_ms), -EAGAIN);
    limit_free(l);
}

/* One group cannot push out a key that has used up its hits, or its own keys with more hits. */
static void test_a_crowded_group_cannot_displace_keys(void **state)
{
    struct limit *l = limit_new(3, 1000, 5);
    uint64_t wait_ms = 0;
    char key[16];

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(limit_take(l, "blocked", "g", 0, &wait_ms), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(limit_take(l, "almost", "g", 0, &wait_ms), 0);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof(key), "filler %d", i);
        wait_ms = 0;
        assert_int_equal(limit_take(l, key, "g", 1, &wait_ms), i < 3 ? 0 : -EAGAIN);
        assert_int_equal(wait_ms, i < 3 ? 0 : 1000);
        assert_true(limit_size(l) <= 5);
    }
    /* Another group gets places of the crowded one, until it is as large. */
    assert_int_equal(limit_take(l, "other 1", "h", 1, &wait_ms), 0);
    assert_int_equal(limit_take(l, "other 2", "h", 1, &wait_ms), 0);
    assert_int_equal(limit_take(l, "other 3", "h", 1, &wait_ms), 0);
    assert_int_equal(limit_take(l, "other 4", "h", 1, &wait_ms), -EAGAIN);
    assert_int_equal(limit_size(l), 5);
    assert_int_equal(limit_take(l, "blocked", "h", 2, &wait_ms), -EAGAIN);
    assert_int_equal(limit_take(l, "almost", "h", 2, &wait_ms), 0);
    assert_int_equal(limit_take(l, "almost", "h", 2, &wait_ms), -EAGAIN);
    limit_free(l);
}

static void test_keys_without_hits_in_the_window_make_room(void **state)
{
    struct limit *l = limit_new(1, 1000, 3);
    uint64_t wait_ms;
    char key[16];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof(key), "peer %d", i);
        assert_int_equal(limit_take(l, key, "g", (uint64_t)i * 400, &wait_ms), 0);
        assert_true(limit_size(l) <= 3);
    }
    limit_free(l);
    limit_free(NULL);
}

/* All keys of the only group have used up their hits: not even another group gets a place. */
static void test_a_table_of_blocked_keys_refuses_all_others(void **state)
{
    struct limit *l = limit_new(1, 1000, 2);
    uint64_t wait_ms;

    (void)state;
    assert_int_equal(limit_take(l, "a", "g", 0, &wait_ms), 0);
    assert_int_equal(limit_take(l, "b", "g", 0, &wait_ms), 0);
    assert_int_equal(limit_take(l, "c", "h", 999, &wait_ms), -EAGAIN);
    assert_int_equal(limit_take(l, "c", "h", 1000, &wait_ms), 0);
    limit_undo(l, "c"); /* without hits it needs no place */
    assert_int_equal(limit_size(l), 1);
    limit_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hits_are_counted_in_a_sliding_window),
        cmocka_unit_test(test_undone_hits_do_not_count),
        cmocka_unit_test(test_keys_are_limited_separately),
        cmocka_unit_test(test_a_crowded_group_cannot_displace_keys),
        cmocka_unit_test(test_keys_without_hits_in_the_window_make_room),
        cmocka_unit_test(test_a_table_of_blocked_keys_refuses_all_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
