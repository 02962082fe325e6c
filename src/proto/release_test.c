#include "base/alloc.h"
#include "base/base64.h"
#include "base/str.h"
#include "proto/release.h"

#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct release example = {
    .version = "0.2.0", .platform = "linux-amd64", .sha256 = SUM, .minimum = "0.1.0"};

struct pair {
    unsigned char secret[RELEASE_SECRET_SIZE];
    struct release_keys keys; /* the public half */
};

static void make_pair(struct pair *ret)
{
    ret->keys = (struct release_keys){.n = 1};
    assert_int_equal(crypto_sign_keypair(ret->keys.items[0], ret->secret), 0);
}

static void test_signed(void **state)
{
    struct error err = ERROR_INIT;
    struct release r;
    struct pair pair, other;
    bool is_signed;
    char *text;

    (void)state;
    make_pair(&pair);
    make_pair(&other);
    text = release_sign(&example, pair.secret);
    assert_int_equal(release_verify(text, &pair.keys, &r, &err), 0);
    assert_string_equal(r.version, "0.2.0");
    assert_string_equal(r.platform, "linux-amd64");
    assert_string_equal(r.sha256, SUM);
    assert_string_equal(r.minimum, "0.1.0");
    assert_int_equal(release_parse(text, &r, &is_signed, &err), 0);
    assert_true(is_signed);
    assert_int_equal(release_verify(text, &other.keys, &r, &err), -EKEYREJECTED);
    assert_non_null(strstr(err.msg, "trusts"));
    free(text);
}

/* Any of several keys will do. */
static void test_keys(void **state)
{
    struct error err = ERROR_INIT;
    struct pair first, second;
    struct release r;
    char *text, *key;

    (void)state;
    make_pair(&first);
    make_pair(&second);
    key = base64_encode(second.keys.items[0], RELEASE_KEY_SIZE);
    assert_int_equal(release_keys_add(&first.keys, key), 0);
    text = release_sign(&example, second.secret);
    assert_int_equal(release_verify(text, &first.keys, &r, &err), 0);
    free(text);
    while (first.keys.n < RELEASE_KEYS_MAX)
        assert_int_equal(release_keys_add(&first.keys, key), 0);
    assert_int_equal(release_keys_add(&first.keys, key), -ENOSPC);
    free(key);
    first.keys.n = 0;
    assert_int_equal(release_keys_add(&first.keys, "AAAA"), -EINVAL);
    assert_int_equal(release_keys_add(&first.keys, ""), -EINVAL);
    release_keys_add_built_in(&first.keys);
    assert_true(first.keys.n < RELEASE_KEYS_MAX);
}

/* No byte of the text or the signature can be changed, removed or appended. */
static void test_tampered(void **state)
{
    struct error err = ERROR_INIT;
    struct pair pair;
    struct release r;
    size_t size;
    char *text;

    (void)state;
    make_pair(&pair);
    text = release_sign(&example, pair.secret);
    size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        char *copy = xstrdup(text);

        copy[i] ^= 1;
        assert_true(release_verify(copy, &pair.keys, &r, &err) < 0);
        copy[i] = '\0'; /* truncated */
        assert_true(release_verify(copy, &pair.keys, &r, &err) < 0);
        free(copy);
    }
    free(text);
}

static void test_malformed(void **state)
{
    static const char *const texts[] = {
        "",
        "dockmon-agent 2\nversion 1.0\nplatform linux-amd64\nsha256 " SUM "\nminimum 1.0\n",
        "dockmon-agent 1\nversion one\nplatform linux-amd64\nsha256 " SUM "\nminimum 1.0\n",
        "dockmon-agent 1\nversion 1.0\nplatform ../x\nsha256 " SUM "\nminimum 1.0\n",
        "dockmon-agent 1\nversion 1.0\nplatform linux-amd64\nsha256 abc\nminimum 1.0\n",
        "dockmon-agent 1\nversion 1.0\nplatform linux-amd64\nsha256 " SUM "\nminimum \n",
        "dockmon-agent 1\nversion 1.0\nplatform linux-amd64\nsha256 " SUM "\nminimum 1.0",
        "dockmon-agent 1\nversion 1.0\nplatform linux-amd64\nsha256 " SUM
        "\nminimum 1.0\nsignature x\n",
    };
    struct error err = ERROR_INIT;
    struct release r;
    bool is_signed;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        assert_int_equal(release_parse(texts[i], &r, &is_signed, &err), -EINVAL);
    assert_int_equal(release_parse("dockmon-agent 1\nversion 1.0\nplatform linux-amd64\nsha256 " SUM
                                   "\nminimum 1.0\n",
                                   &r, &is_signed, &err),
                     0);
    assert_false(is_signed);
}

static void test_versions(void **state)
{
    static const struct {
        const char *a, *b;
        int order;
    } rows[] = {
        {"1.0.0",     "1.0.0",     0 },
        {"1.0",       "1.0.0",     0 },
        {"0.9.9",     "1.0.0",     -1},
        {"0.10.0",    "0.9.0",     1 },
        {"1.0.0-rc1", "1.0.0",     -1},
        {"1.0.0",     "1.0.0-rc1", 1 },
        {"1.0.0-rc1", "1.0.0-rc2", -1},
        {"1.0.0-rc1", "0.9.0",     1 },
    };
    static const char *const wrong[] = {"",     "v1",      "1.",      "1.0.0.0.0", "1-",
                                        "1.0 ", "1000000", "1.0-a/b", "-1",        "latest"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int order = release_compare(rows[i].a, rows[i].b);

        assert_true(release_is_version(rows[i].a) && release_is_version(rows[i].b));
        assert_int_equal((order > 0) - (order < 0), rows[i].order);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_false(release_is_version(wrong[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signed),   cmocka_unit_test(test_keys),
        cmocka_unit_test(test_tampered), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_versions),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
