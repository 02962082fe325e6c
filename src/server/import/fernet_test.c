#include "base/alloc.h"
#include "base/str.h"
#include "server/import/fernet.h"
#include "server/store/fixture.h"
#include "server/store/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Of the specification of Fernet. */
#define KEY "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
#define TOKEN                                                                                         \
    "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4Iw" \
    "qDA=="

static int read_key(const struct fixture *f, const char *text, struct fernet_key *ret)
{
    _cleanup_free_ char *path = fixture_path(f, "encryption.key");
    struct error err = ERROR_INIT;
    FILE *file = fopen(path, "we");
    int r;

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    r = fernet_key_read(ret, path, &err);
    if (r == -EINVAL)
        assert_non_null(strstr(err.msg, path));
    return r;
}

static void test_token_of_the_specification_is_opened(void **state)
{
    struct fernet_key key;
    _cleanup_(secret_freep) char *text = NULL;

    assert_int_equal(read_key(*state, KEY "\n", &key), 0);
    assert_true(fernet_is_token(TOKEN));
    text = fernet_open(&key, TOKEN);
    assert_string_equal(text, "hello");
}

static void test_changed_tokens_and_other_keys_open_nothing(void **state)
{
    static const char letters[] = "AQgw_-";
    char token[] = TOKEN;
    struct fernet_key key;

    assert_int_equal(read_key(*state, KEY, &key), 0);
    for (size_t i = 0; i < strlen(token) - 3; i++) { /* before the last letter and the padding */
        for (const char *p = letters; *p; p++) {
            if (*p == TOKEN[i])
                continue;
            token[i] = *p;
            assert_null(fernet_open(&key, token));
        }
        token[i] = TOKEN[i];
    }
    for (size_t i = strlen(token); i-- > 0;) {
        token[i] = '\0';
        assert_null(fernet_open(&key, token));
    }
    key.encrypt[0] ^= 1;
    assert_null(fernet_open(&key, TOKEN));
    key.encrypt[0] ^= 1;
    key.sign[0] ^= 1;
    assert_null(fernet_open(&key, TOKEN));
}

static void test_other_files_are_no_keys(void **state)
{
    static const char *const texts[] = {"", "cw_0x689RpI", KEY "x", KEY KEY,
                                        "cw/0x689RpI+jtRR7oE8h/eQsKImvJapLeSbXpwF4e4="};
    char long_text[400];
    struct fernet_key key;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(read_key(*state, texts[i], &key), -EINVAL);
    memset(long_text, 'A', sizeof(long_text));
    long_text[sizeof(long_text) - 1] = '\0';
    assert_int_equal(read_key(*state, long_text, &key), -EINVAL);
    assert_int_equal(fernet_key_read(&key, "/nonexistent", NULL), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_token_of_the_specification_is_opened),
        TEST(test_changed_tokens_and_other_keys_open_nothing),
        TEST(test_other_files_are_no_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
