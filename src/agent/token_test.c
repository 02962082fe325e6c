#include "agent/token.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static char dir[] = "/tmp/token_test.XXXXXX";
static char *path;

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    path = xasprintf("%s/permanent_token", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    free(path);
    return rmdir(dir);
}

static void test_charset(void **state)
{
    char longest[TOKEN_MAX + 2];

    (void)state;
    assert_true(token_is_valid("550e8400-e29b-41d4-a716-446655440000"));
    assert_true(token_is_valid("EOGD:IMML_x"));
    assert_false(token_is_valid(""));
    assert_false(token_is_valid("a b"));
    assert_false(token_is_valid("token\n"));
    assert_false(token_is_valid("t\xc3\xb6ken"));
    memset(longest, 'a', sizeof(longest));
    longest[TOKEN_MAX] = '\0';
    assert_true(token_is_valid(longest));
    longest[TOKEN_MAX] = 'a';
    longest[TOKEN_MAX + 1] = '\0';
    assert_false(token_is_valid(longest));
}

static void test_load(void **state)
{
    static const struct {
        const char *content;
        size_t size;
        int r;
        const char *token;
    } cases[] = {
        {"abc-123",         7,  0,        "abc-123"},
        {" \n abc-123\r\n", 12, 0,        "abc-123"},
        {"",                0,  -ENOENT,  NULL     },
        {" \n\t",           3,  -ENOENT,  NULL     },
        {"two words",       9,  -EBADMSG, NULL     },
        {"abc\0def",        7,  -EBADMSG, NULL     },
        {"\xff\xfe",        2,  -EBADMSG, NULL     },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *token = NULL;
        struct error err = ERROR_INIT;

        assert_int_equal(file_write_atomic(path, cases[i].content, cases[i].size, 0600, NULL), 0);
        assert_int_equal(token_load(path, &token, &err), cases[i].r);
        assert_int_equal(err.code, cases[i].r);
        if (cases[i].token) {
            assert_string_equal(token, cases[i].token);
        } else {
            assert_null(token);
        }
    }
}

static void test_load_absent(void **state)
{
    struct error err = ERROR_INIT;
    char *token = NULL;

    (void)state;
    (void)unlink(path);
    assert_int_equal(token_load(path, &token, &err), -ENOENT);
    assert_null(token);
}

static void test_save(void **state)
{
    _cleanup_free_ char *token = NULL;
    struct stat st;

    (void)state;
    assert_int_equal(file_write_atomic(path, "old", 3, 0644, NULL), 0);
    assert_int_equal(token_save(path, "new-token", NULL), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, strlen("new-token"));
    assert_int_equal(token_load(path, &token, NULL), 0);
    assert_string_equal(token, "new-token");
}

static void test_save_refused(void **state)
{
    struct error err = ERROR_INIT;
    _cleanup_free_ char *token = NULL;

    (void)state;
    assert_int_equal(token_save(path, "kept", NULL), 0);
    assert_int_equal(token_save(path, "two words", &err), -EBADMSG);
    assert_int_equal(token_load(path, &token, NULL), 0);
    assert_string_equal(token, "kept");

    assert_int_equal(token_save("/nonexistent/permanent_token", "secret-token", &err), -ENOENT);
    assert_non_null(strstr(err.msg, "DATA_PATH"));
    assert_non_null(strstr(err.msg, "/nonexistent/permanent_token"));
    assert_null(strstr(err.msg, "secret-token"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_charset),      cmocka_unit_test(test_load),
        cmocka_unit_test(test_load_absent),  cmocka_unit_test(test_save),
        cmocka_unit_test(test_save_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
