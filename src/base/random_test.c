#include "base/macros.h"
#include "base/random.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static void test_bytes(void **state)
{
    static unsigned char a[100000], b[100000];
    unsigned seen[256] = {0};
    unsigned char guard[8] = {0};

    (void)state;
    random_bytes(guard, 0);
    random_bytes(guard + 2, 3);
    assert_int_equal(guard[0] | guard[1] | guard[5] | guard[6] | guard[7], 0);
    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    for (size_t i = 0; i < sizeof(a); i++)
        seen[a[i]]++;
    for (size_t i = 0; i < 256; i++) /* 390 on average, standard deviation 20 */
        assert_in_range(seen[i], 190, 590);
}

static void test_below(void **state)
{
    unsigned seen[10] = {0};

    (void)state;
    assert_int_equal(random_below(0), 0);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(random_below(1), 0);
        assert_true(random_below(UINT64_MAX) < UINT64_MAX);
        assert_true(random_below((UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
    }
    for (size_t i = 0; i < 10000; i++) {
        uint64_t v = random_below(10);

        assert_true(v < 10);
        seen[v]++;
    }
    for (size_t i = 0; i < 10; i++) /* 1000 on average, standard deviation 30 */
        assert_in_range(seen[i], 700, 1300);
}

static void test_uuid(void **state)
{
    char a[UUID_TEXT_SIZE], b[UUID_TEXT_SIZE];

    (void)state;
    random_uuid(a);
    random_uuid(b);
    assert_string_not_equal(a, b);
    for (size_t turn = 0; turn < 100; turn++) {
        random_uuid(a);
        assert_int_equal(strlen(a), 36);
        for (size_t i = 0; i < 36; i++) {
            if (i == 8 || i == 13 || i == 18 || i == 23) {
                assert_int_equal(a[i], '-');
            } else {
                assert_non_null(strchr("0123456789abcdef", a[i]));
            }
        }
        assert_int_equal(a[14], '4');
        assert_non_null(strchr("89ab", a[19]));
    }
}

static void test_token(void **state)
{
    _cleanup_free_ char *a = random_token(32);
    _cleanup_free_ char *b = random_token(32);
    _cleanup_free_ char *none = random_token(0);
    unsigned n_equal = 0;

    (void)state;
    assert_true(str_is_hex(a, 64));
    assert_true(str_is_hex(b, 64));
    assert_string_not_equal(a, b);
    assert_string_equal(none, "");
    for (size_t i = 0; i < 64; i += 2) /* each byte has two digits of its own */
        n_equal += a[i] == a[i + 1];
    assert_true(n_equal < 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
