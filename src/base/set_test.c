#include "base/set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static void test_add_and_remove(void **state)
{
    struct set s = {0};

    (void)state;
    assert_false(set_has(&s, "a"));
    assert_false(set_remove(&s, "a"));
    assert_true(set_add(&s, "a"));
    assert_false(set_add(&s, "a"));
    assert_true(set_add(&s, "b"));
    assert_int_equal(set_size(&s), 2);
    assert_true(set_has(&s, "a"));
    assert_true(set_remove(&s, "a"));
    assert_false(set_has(&s, "a"));
    assert_int_equal(set_size(&s), 1);
    set_done(&s);
    assert_int_equal(set_size(&s), 0);
    assert_true(set_add(&s, "again"));
    set_done(&s);
}

static void test_walk(void **state)
{
    struct set s = {0};
    size_t n = 0;

    (void)state;
    assert_true(set_add(&s, "x"));
    assert_true(set_add(&s, "y"));
    set_foreach(&s, e)
    {
        assert_true(e->key[0] == 'x' || e->key[0] == 'y');
        n++;
    }
    assert_int_equal(n, 2);
    set_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add_and_remove),
        cmocka_unit_test(test_walk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
