#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static void test_zeroed_is_empty(void **state)
{
    struct buf b = {0};

    (void)state;
    assert_string_equal(buf_str(&b), "");
    assert_int_equal(buf_append(&b, "", 0), 0);
    assert_int_equal(buf_append(&b, "x", 1), -EMSGSIZE);
    assert_int_equal(b.size, 0);
    buf_clear(&b);
    buf_consume(&b, 3);
    buf_done(&b);
}

static void test_append_up_to_maximum(void **state)
{
    struct buf b = BUF_INIT(10);

    (void)state;
    assert_int_equal(buf_append_str(&b, "12345"), 0);
    assert_int_equal(buf_append_char(&b, '6'), 0);
    assert_int_equal(buf_printf(&b, "%d", 7890), 0);
    assert_string_equal(buf_str(&b), "1234567890");
    assert_int_equal(b.size, 10);

    assert_int_equal(buf_append_char(&b, 'x'), -EMSGSIZE);
    assert_int_equal(buf_append(&b, "x", SIZE_MAX), -EMSGSIZE);
    assert_int_equal(buf_printf(&b, "%s", "y"), -EMSGSIZE);
    assert_int_equal(buf_printf(&b, "%s", ""), 0);
    assert_string_equal(buf_str(&b), "1234567890");
    assert_int_equal(b.size, 10);
    buf_done(&b);
    assert_null(b.data);
    assert_int_equal(b.max, 10);
    assert_int_equal(buf_append_str(&b, "again"), 0);
    assert_string_equal(buf_str(&b), "again");
    buf_done(&b);
}

static void test_binary_content(void **state)
{
    static const char data[] = {'a', '\0', '\xff', 'b'};
    struct buf b = BUF_INIT(100);

    (void)state;
    assert_int_equal(buf_append(&b, data, sizeof(data)), 0);
    assert_int_equal(b.size, 4);
    assert_memory_equal(b.data, data, 4);
    assert_int_equal(b.data[4], '\0');
    buf_done(&b);
}

static void test_grows_byte_by_byte(void **state)
{
    struct buf b = BUF_INIT(5000);

    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(buf_append_char(&b, (char)('a' + i % 26)), 0);
        assert_int_equal(b.size, i + 1);
        assert_true(b.capacity > b.size);
        assert_int_equal(b.data[b.size], '\0');
    }
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
    assert_int_equal(buf_append_char(&b, 'x'), -EMSGSIZE);
    buf_done(&b);
}

static void test_printf_longer_than_capacity(void **state)
{
    struct buf b = BUF_INIT(1000);

    (void)state;
    assert_int_equal(buf_printf(&b, "<%0500d>", 7), 0);
    assert_int_equal(b.size, 502);
    assert_int_equal(b.data[0], '<');
    assert_int_equal(b.data[500], '7');
    assert_int_equal(b.data[501], '>');
    assert_int_equal(buf_printf(&b, "%0500d", 7), -EMSGSIZE);
    assert_int_equal(b.size, 502);
    assert_int_equal(strlen(b.data), 502);
    buf_done(&b);
}

static void test_printf_that_does_not_fit_changes_nothing(void **state)
{
    struct buf b = BUF_INIT(8);

    (void)state;
    assert_int_equal(buf_printf(&b, "%s", "123456789"), -EMSGSIZE);
    assert_string_equal(buf_str(&b), "");
    for (size_t n = 0; n < 8; n++) {
        assert_int_equal(buf_printf(&b, "%zu", n), 0);
        assert_int_equal(buf_printf(&b, "%s", "123456789"), -EMSGSIZE);
        assert_int_equal(b.size, n + 1);
        assert_memory_equal(b.data, "01234567", n + 1);
        assert_int_equal(b.data[n + 1], '\0');
    }
    assert_int_equal(buf_printf(&b, "%s", ""), 0);
    assert_int_equal(buf_printf(&b, "%s", "x"), -EMSGSIZE);
    assert_string_equal(buf_str(&b), "01234567");
    buf_done(&b);
}

static void test_whole_numbers(void **state)
{
    static const struct {
        int64_t v;
        const char *text;
    } cases[] = {
        {0,         "0"                   },
        {-1,        "-1"                  },
        {10,        "10"                  },
        {987654321, "987654321"           },
        {INT64_MAX, "9223372036854775807" },
        {INT64_MIN, "-9223372036854775808"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = BUF_INIT(strlen(cases[i].text));

        assert_int_equal(buf_append_i64(&b, cases[i].v), 0);
        assert_string_equal(buf_str(&b), cases[i].text);
        assert_int_equal(buf_append_i64(&b, cases[i].v), -EMSGSIZE);
        buf_done(&b);
    }
}

static void test_consume(void **state)
{
    static const struct {
        size_t n;
        const char *rest;
    } cases[] = {
        {0,        "hello"},
        {1,        "ello" },
        {4,        "o"    },
        {5,        ""     },
        {6,        ""     },
        {SIZE_MAX, ""     },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = BUF_INIT(5);

        assert_int_equal(buf_append_str(&b, "hello"), 0);
        buf_consume(&b, cases[i].n);
        assert_string_equal(buf_str(&b), cases[i].rest);
        assert_int_equal(b.size, strlen(cases[i].rest));
        buf_done(&b);
    }
}

static void test_take(void **state)
{
    struct buf b = BUF_INIT(5);
    char *s;

    (void)state;
    s = buf_take(&b);
    assert_string_equal(s, "");
    free(s);

    assert_int_equal(buf_append_str(&b, "hello"), 0);
    s = buf_take(&b);
    assert_string_equal(s, "hello");
    free(s);
    assert_int_equal(b.size, 0);
    assert_int_equal(b.max, 5);
    assert_string_equal(buf_str(&b), "");
    buf_done(&b);
}

static void test_clear_keeps_storage(void **state)
{
    struct buf b = BUF_INIT(5);
    const char *data;

    (void)state;
    assert_int_equal(buf_append_str(&b, "hello"), 0);
    data = b.data;
    buf_clear(&b);
    assert_string_equal(buf_str(&b), "");
    assert_int_equal(buf_append_str(&b, "world"), 0);
    assert_ptr_equal(b.data, data);
    buf_done(&b);
}

static void test_truncate(void **state)
{
    struct buf b = BUF_INIT(20);

    (void)state;
    buf_truncate(&b, 0); /* nothing was ever allocated */
    buf_truncate(&b, 3);
    assert_string_equal(buf_str(&b), "");
    assert_int_equal(buf_append_str(&b, "hello world"), 0);
    buf_truncate(&b, 12);
    buf_truncate(&b, 11);
    assert_string_equal(buf_str(&b), "hello world");
    buf_truncate(&b, 5);
    assert_int_equal(b.size, 5);
    assert_string_equal(buf_str(&b), "hello");
    assert_int_equal(buf_append_str(&b, "!"), 0);
    assert_string_equal(buf_str(&b), "hello!");
    buf_truncate(&b, 0);
    assert_string_equal(buf_str(&b), "");
    buf_done(&b);
}

static void test_alloc_helpers(void **state)
{
    _cleanup_free_ char *dup = xstrdup("text");
    _cleanup_free_ char *cut = xstrndup("text", 2);
    _cleanup_free_ char *made = xasprintf("%s-%d", "a", 5);
    _cleanup_free_ char *copy = xmemdup("a\0b", 4);
    _cleanup_free_ char *zeroes = xcalloc(3, 2);
    _cleanup_free_ char *none = xmalloc(0);
    static const char zero[6];

    (void)state;
    assert_null(xstrdup(NULL));
    assert_string_equal(dup, "text");
    assert_string_equal(cut, "te");
    assert_string_equal(made, "a-5");
    assert_memory_equal(copy, "a\0b", 4);
    assert_memory_equal(zeroes, zero, 6);
    assert_non_null(none);
    dup = xrealloc(dup, 100, 10);
    assert_string_equal(dup, "text");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zeroed_is_empty),
        cmocka_unit_test(test_append_up_to_maximum),
        cmocka_unit_test(test_binary_content),
        cmocka_unit_test(test_grows_byte_by_byte),
        cmocka_unit_test(test_printf_longer_than_capacity),
        cmocka_unit_test(test_printf_that_does_not_fit_changes_nothing),
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_consume),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_clear_keeps_storage),
        cmocka_unit_test(test_truncate),
        cmocka_unit_test(test_alloc_helpers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
