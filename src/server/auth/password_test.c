#include "proto/role.h"
#include "server/auth/password.h"
#include "server/store/secret.h"

/* cmocka includes need these first, in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <time.h>

static void test_hashes_verify_their_password_only(void **state)
{
    char a[PASSWORD_HASH_SIZE], b[PASSWORD_HASH_SIZE];

    (void)state;
    assert_int_equal(password_hash("correct horse", a, NULL), 0);
    assert_int_equal(password_hash("correct horse", b, NULL), 0);
    assert_memory_equal(a, "$argon2id$v=19$m=65536,t=2,p=1$", 31);
    assert_string_not_equal(a, b); /* salted */
    assert_true(password_verify("correct horse", a));
    assert_false(password_verify("correct horse ", a));
    assert_false(password_verify("", a));
    assert_false(password_verify("correct horse", "not a hash"));
    assert_false(password_verify("correct horse", ""));
}

/* The first is of the test vectors of crypt_blowfish; the second has the usual form of DockMon 1. */
static void test_bcrypt_hashes_are_verified(void **state)
{
    static const char vector[] = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    static const char usual[] = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";

    (void)state;
    assert_true(password_is_known_hash(vector));
    assert_true(password_verify("U*U", vector));
    assert_false(password_verify("U*V", vector));
    assert_true(password_is_known_hash(usual));
    assert_true(password_verify("correct horse", usual));
    assert_false(password_verify("correct horse ", usual));
    assert_false(password_verify("", usual));
}

static void test_other_hashes_of_crypt_are_not_computed(void **state)
{
    static const char *const hashes[] = {
        "$2b$15$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2", /* a second and more */
        "$2b$31$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
        "$2b$03$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
        "$2b$5$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2a",
        "$2x$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
        "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy",
        "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2x",
        "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lO:2",
        "$6$rounds=999999999$saltstring$0123456789",
        "rLGdpwc0AbS8k", /* DES */
        "*0",
        "$2",
        "",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
        assert_false(password_is_known_hash(hashes[i]));
        assert_false(password_verify("correct horse", hashes[i]));
    }
}

#define ARGON(settings) "$argon2id$" settings "$c29tZXNhbHQ$aGFzaA"

/* A hash from a file of others may cost no more memory and time than the limits. */
static void test_costs_of_argon2_are_limited(void **state)
{
    static const char *const known[] = {
        ARGON("v=19$m=8,t=1,p=1"),
        ARGON("v=19$m=65536,t=2,p=1"),
        ARGON("v=19$m=262144,t=10,p=1"),
    };
    static const char *const refused[] = {
        ARGON("v=18$m=65536,t=2,p=1"),    ARGON("v=20$m=65536,t=2,p=1"),
        ARGON("v=19$m=7,t=2,p=1"),        ARGON("v=19$m=262145,t=2,p=1"),
        ARGON("v=19$m=65536,t=0,p=1"),    ARGON("v=19$m=65536,t=11,p=1"),
        ARGON("v=19$m=65536,t=2,p=0"),    ARGON("v=19$m=65536,t=2,p=2"),
        ARGON("v=19$m=,t=2,p=1"),         ARGON("v=19$t=2,m=65536,p=1"),
        "$argon2id$v=19$m=65536,t=2,p=1", "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$aGFzaA",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        assert_true(password_is_known_hash(known[i]));
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        assert_false(password_is_known_hash(refused[i]));
}

static void test_hashes_of_others_are_outdated(void **state)
{
    char own[PASSWORD_HASH_SIZE];

    (void)state;
    assert_int_equal(password_hash("correct horse", own, NULL), 0);
    assert_false(password_is_outdated_hash(own));
    assert_true(
        password_is_outdated_hash("$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"));
    assert_true(password_is_outdated_hash("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$"
                                          "iz2oM81tZ6LKf8n9HJ7T2eVpRnyfVX3AfZiucdb28jc"));
}

static int64_t cpu_us(const char *hash)
{
    struct timespec from, to;

    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from), 0);
    assert_false(password_verify("wrong", hash));
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to), 0);
    return (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
}

static void test_an_unknown_user_takes_as_long_as_a_known_one(void **state)
{
    char hash[PASSWORD_HASH_SIZE];
    int64_t somebody_us, nobody_us;

    (void)state;
    assert_int_equal(password_hash("somebody's", hash, NULL), 0);
    somebody_us = cpu_us(hash);
    nobody_us = cpu_us(NULL);
    assert_true(nobody_us > somebody_us / 4); /* without argon2 it would be a thousandth */
    assert_true(somebody_us > nobody_us / 4);
}

static void test_lengths_count_characters(void **state)
{
    char longest[PASSWORD_MAX * 2 + 3];
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(password_check("1234567", &err), -EDOM);
    assert_non_null(strstr(err.msg, "8 to 128"));
    assert_int_equal(password_check("12345678", NULL), 0);
    assert_int_equal(
        password_check("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", NULL), -EDOM);
    assert_int_equal(
        password_check("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", NULL),
        0);
    assert_int_equal(password_check("1234567\n", NULL), -EDOM);
    assert_int_equal(password_check("1234567\xff", NULL), -EDOM);

    for (size_t i = 0; i < PASSWORD_MAX + 1; i++)
        memcpy(longest + 2 * i, "\xc3\xa4", 3);
    assert_int_equal(password_check(longest, NULL), -EDOM);
    longest[(size_t)PASSWORD_MAX * 2] = '\0';
    assert_int_equal(password_check(longest, NULL), 0);
}

static void test_random_passwords_are_valid(void **state)
{
    _cleanup_(secret_freep) char *a = password_random(), *b = password_random();

    (void)state;
    assert_int_equal(strlen(a), 20);
    assert_int_equal(password_check(a, NULL), 0);
    assert_null(strpbrk(a, "01ilo"));
    assert_string_not_equal(a, b);
}

static void test_roles_have_names(void **state)
{
    enum role role = ROLE_NONE;

    (void)state;
    for (enum role r = ROLE_VIEWER; r <= ROLE_ADMIN; r++) {
        assert_int_equal(role_parse(role_name(r), &role), 0);
        assert_int_equal(role, r);
    }
    assert_int_equal(role_parse("none", &role), -EINVAL);
    assert_int_equal(role_parse("Admin", &role), -EINVAL);
    assert_int_equal(role_parse("", &role), -EINVAL);
    assert_int_equal(role_parse(NULL, &role), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashes_verify_their_password_only),
        cmocka_unit_test(test_bcrypt_hashes_are_verified),
        cmocka_unit_test(test_other_hashes_of_crypt_are_not_computed),
        cmocka_unit_test(test_costs_of_argon2_are_limited),
        cmocka_unit_test(test_hashes_of_others_are_outdated),
        cmocka_unit_test(test_an_unknown_user_takes_as_long_as_a_known_one),
        cmocka_unit_test(test_lengths_count_characters),
        cmocka_unit_test(test_random_passwords_are_valid),
        cmocka_unit_test(test_roles_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
