#include "agent/config/token.h"
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
static struct token_file plain;
static struct token_key key, other_key;
static struct token_file sealed, by_other;

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    path = xasprintf("%s/permanent_token", dir);
    plain = (struct token_file){.path = path};
    sealed = (struct token_file){.path = path, .key = &key};
    by_other = (struct token_file){.path = path, .key = &other_key};
    return token_key_make(&key, "one secret of thirty-two bytes or more", 38, "/key", NULL) < 0 ||
           token_key_make(&other_key, "another secret of thirty-two bytes", 34, "/other", NULL) < 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    free(path);
    token_key_done(&key);
    token_key_done(&other_key);
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
        assert_int_equal(token_load(&plain, &token, NULL, &err), cases[i].r);
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
    assert_int_equal(token_load(&plain, &token, NULL, &err), -ENOENT);
    assert_null(token);
}

static void test_save(void **state)
{
    _cleanup_free_ char *token = NULL;
    struct stat st;

    (void)state;
    assert_int_equal(file_write_atomic(path, "old", 3, 0644, NULL), 0);
    assert_int_equal(token_save(&plain, "new-token", NULL), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, strlen("new-token"));
    assert_int_equal(token_load(&plain, &token, NULL, NULL), 0);
    assert_string_equal(token, "new-token");
}

static void test_save_refused(void **state)
{
    const struct token_file nowhere = {.path = "/nonexistent/permanent_token"};
    struct error err = ERROR_INIT;
    _cleanup_free_ char *token = NULL;

    (void)state;
    assert_int_equal(token_save(&plain, "kept", NULL), 0);
    assert_int_equal(token_save(&plain, "two words", &err), -EBADMSG);
    assert_int_equal(token_load(&plain, &token, NULL, NULL), 0);
    assert_string_equal(token, "kept");

    assert_int_equal(token_save(&nowhere, "secret-token", &err), -ENOENT);
    assert_non_null(strstr(err.msg, "DATA_PATH"));
    assert_non_null(strstr(err.msg, "/nonexistent/permanent_token"));
    assert_null(strstr(err.msg, "secret-token"));
}

static void write_file(const char *data, size_t size)
{
    assert_int_equal(file_write_atomic(path, data, size, 0600, NULL), 0);
}

static void expect(const struct token_file *f, int r)
{
    _cleanup_(token_freep) char *token = NULL;
    struct error err = ERROR_INIT;

    assert_int_equal(token_load(f, &token, NULL, &err), r);
    assert_int_equal(err.code, r);
    assert_non_null(strstr(err.msg, path)); /* it names the file */
    assert_null(strstr(err.msg, "the-token"));
    assert_null(token);
}

static void test_seal(void **state)
{
    _cleanup_free_ char *first = NULL, *second = NULL;
    _cleanup_(token_freep) char *token = NULL;
    size_t n_first, n_second;
    bool is_sealed = false;
    struct stat st;

    (void)state;
    assert_int_equal(token_save(&sealed, "the-token-0123", NULL), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(file_read(path, 4096, &first, &n_first, NULL), 0);
    assert_null(memmem(first, n_first, "the-token", 9));
    assert_int_equal(token_load(&sealed, &token, &is_sealed, NULL), 0);
    assert_string_equal(token, "the-token-0123");
    assert_true(is_sealed);

    /* A nonce is never used twice. */
    assert_int_equal(token_save(&sealed, "the-token-0123", NULL), 0);
    assert_int_equal(file_read(path, 4096, &second, &n_second, NULL), 0);
    assert_int_equal(n_first, n_second);
    assert_memory_not_equal(first, second, n_first);
}

static void test_longest_is_sealed(void **state)
{
    _cleanup_(token_freep) char *token = NULL;
    char longest[TOKEN_MAX + 1];

    (void)state;
    memset(longest, 'a', TOKEN_MAX);
    longest[TOKEN_MAX] = '\0';
    assert_int_equal(token_save(&sealed, longest, NULL), 0);
    assert_int_equal(token_load(&sealed, &token, NULL, NULL), 0);
    assert_string_equal(token, longest);
}

static void test_wrong_key(void **state)
{
    struct token_key none = {0};
    const struct token_file unset = {.path = path, .key = &none};
    struct error err = ERROR_INIT;
    char *token = NULL;

    (void)state;
    assert_int_equal(token_save(&sealed, "the-token", NULL), 0);
    expect(&by_other, -EKEYREJECTED);
    expect(&plain, -ENOKEY);
    expect(&unset, -ENOKEY);
    assert_int_equal(token_load(&by_other, &token, NULL, &err), -EKEYREJECTED);
    assert_non_null(strstr(err.msg, "/other")); /* where the key came from */
    assert_true(token_is_fatal(&by_other, -EKEYREJECTED));
    assert_true(token_is_fatal(&plain, -ENOKEY));
    assert_false(token_is_fatal(&plain, -EBADMSG));
    assert_true(token_is_fatal(&sealed, -EBADMSG));
    assert_false(token_is_fatal(&sealed, -ENOENT));
    assert_false(token_is_fatal(&sealed, 0));
}

/* Text is read with a key, too: it is from before there was one. */
static void test_plain_with_key(void **state)
{
    _cleanup_(token_freep) char *token = NULL;
    bool is_sealed = true;

    (void)state;
    assert_int_equal(token_save(&plain, "the-token", NULL), 0);
    assert_int_equal(token_load(&sealed, &token, &is_sealed, NULL), 0);
    assert_string_equal(token, "the-token");
    assert_false(is_sealed);
}

static void test_truncated(void **state)
{
    _cleanup_free_ char *data = NULL;
    size_t size;

    (void)state;
    assert_int_equal(token_save(&sealed, "the-token", NULL), 0);
    assert_int_equal(file_read(path, 4096, &data, &size, NULL), 0);
    assert_in_range(size, 9 + 16 + 24 + 1, 200);
    for (size_t n = 1; n < size; n++) {
        write_file(data, n);
        expect(&sealed, -EKEYREJECTED);
        expect(&plain, -ENOKEY); /* never a token, never taken for none */
    }
    write_file(data, 0);
    expect(&sealed, -ENOENT);
}

static void test_tampered(void **state)
{
    _cleanup_free_ char *data = NULL;
    size_t size;

    (void)state;
    assert_int_equal(token_save(&sealed, "the-token", NULL), 0);
    assert_int_equal(file_read(path, 4096, &data, &size, NULL), 0);
    for (size_t i = 0; i < size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            data[i] = (char)(data[i] ^ (1 << bit));
            write_file(data, size);
            expect(&sealed, i == 0 ? -EBADMSG : -EKEYREJECTED);
            data[i] = (char)(data[i] ^ (1 << bit));
        }
    }
    data = xrealloc(data, size + 1, 1);
    data[size] = 'x';
    write_file(data, size + 1);
    expect(&sealed, -EKEYREJECTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_charset),           cmocka_unit_test(test_load),
        cmocka_unit_test(test_load_absent),       cmocka_unit_test(test_save),
        cmocka_unit_test(test_save_refused),      cmocka_unit_test(test_seal),
        cmocka_unit_test(test_longest_is_sealed), cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(test_plain_with_key),    cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_tampered),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
