#include "base/error.h"
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

static void test_set(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(error_set(&err, -ENOENT, "no host %s", "h1"), -ENOENT);
    assert_int_equal(err.code, -ENOENT);
    assert_string_equal(err.msg, "no host h1");

    assert_int_equal(error_set(&err, -EBUSY, "%s", "later"), -EBUSY);
    assert_int_equal(err.code, -EBUSY);
    assert_string_equal(err.msg, "later");
}

static void test_without_object(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, -EACCES, "x"), -EACCES);
    assert_int_equal(error_wrap(NULL, -EACCES, "x"), -EACCES);
}

static void test_wrap(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    (void)error_set(&err, -ECONNREFUSED, "connect %s", "/run/x");
    assert_int_equal(error_wrap(&err, -EPROTO, "inspect %d", 4), -EPROTO);
    assert_int_equal(err.code, -EPROTO);
    assert_string_equal(err.msg, "inspect 4: connect /run/x");
    (void)error_wrap(&err, -EPROTO, "sync");
    assert_string_equal(err.msg, "sync: inspect 4: connect /run/x");
}

static void test_wrap_of_nothing_names_the_errno(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    (void)error_wrap(&err, -ENOENT, "open");
    assert_string_equal(err.msg, "open: No such file or directory");
}

static void test_wrap_keeps_the_reason_of_the_same_errno(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    (void)error_set(&err, -ENOENT, "no such thing");
    err.reason = 7;
    (void)error_wrap(&err, -ENOENT, "outer");
    assert_int_equal(err.reason, 7);
    (void)error_wrap(&err, -EIO, "outermost");
    assert_int_equal(err.reason, 0);
    err.reason = 7;
    (void)error_set(&err, -EIO, "another");
    assert_int_equal(err.reason, 0);
}

static void test_long_messages_are_cut(void **state)
{
    struct error err = ERROR_INIT;
    char big[2000];

    (void)state;
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    (void)error_set(&err, -EIO, "%s", big);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    (void)error_wrap(&err, -EIO, "outer");
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    assert_int_equal(strncmp(err.msg, "outer: xxx", 10), 0);
    (void)error_wrap(&err, -EIO, "%s", big);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    assert_int_equal(err.msg[0], 'x');
}

/* Words of peers are in many messages, and the answers that quote a message must be valid JSON. */
static void test_messages_end_at_a_whole_character(void **state)
{
    struct error err = ERROR_INIT;
    char pad[sizeof(err.msg) + 1];

    (void)state;
    memset(pad, 'x', sizeof(pad));
    for (size_t n = sizeof(err.msg) - 8; n < sizeof(err.msg); n++) {
        (void)error_set(&err, -EINVAL, "%.*s\U0001f600\u20ac\u00e4", (int)n, pad);
        assert_true(str_is_utf8(err.msg, strlen(err.msg)));
        assert_true(strlen(err.msg) + 4 >= sizeof(err.msg) - 1);
        (void)error_wrap(&err, -EIO, "w\u00e4");
        assert_true(str_is_utf8(err.msg, strlen(err.msg)));
    }
    (void)error_set(&err, -EINVAL, "a\xff%s", "b\xe2\x82");
    assert_string_equal(err.msg, "a?b");
}

static void test_text(void **state)
{
    (void)state;
    assert_string_equal(error_text(-ENOENT), "No such file or directory");
    assert_string_equal(error_text(-99999), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_without_object),
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_wrap_of_nothing_names_the_errno),
        cmocka_unit_test(test_wrap_keeps_the_reason_of_the_same_errno),
        cmocka_unit_test(test_long_messages_are_cut),
        cmocka_unit_test(test_messages_end_at_a_whole_character),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
