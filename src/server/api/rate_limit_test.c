#include "base/str.h"
#include "server/api/rate_limit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define S UINT64_C(1000)

static unsigned wait_s;
static bool is_first;

static int take(
    struct rate_limits *l, int64_t user, int64_t key, enum rate_class c, uint64_t now_ms)
{
    struct identity who = {.user_id = user, .key_id = key};

    return rate_limits_take(l, &who, c, now_ms, &wait_s, &is_first);
}

/* Returns the number of requests that are allowed at once. */
static unsigned exhaust(
    struct rate_limits *l, int64_t user, int64_t key, enum rate_class c, uint64_t now_ms)
{
    unsigned n = 0;

    while (take(l, user, key, c, now_ms) == 0 && n < 100000)
        n++;
    return n;
}

static void test_each_class_has_its_limit(void **state)
{
    static const unsigned limits[RATE_CLASSES] = {120, 900, 60, 10, 60};
    struct rate_limits *l = rate_limits_new(100);

    (void)state;
    for (enum rate_class c = 0; c < RATE_CLASSES; c++) {
        assert_int_equal(rate_class_limit(c), limits[c]);
        assert_int_equal(exhaust(l, 1, 0, c, 100 * S), limits[c]);
    }
    assert_int_equal(exhaust(l, 1, 0, RATE_HOSTS, 110 * S), 10); /* one a second */
    assert_int_equal(take(l, 1, 0, RATE_AUTH, 110 * S), 0);
    assert_int_equal(take(l, 1, 0, RATE_AUTH, 110 * S), -EAGAIN);
    assert_in_range(wait_s, 3, 6);
    assert_int_equal(take(l, 1, 0, RATE_AUTH, (110 + wait_s) * S), 0);
    rate_limits_free(l);
}

static void test_users_and_keys_do_not_share_limits(void **state)
{
    struct rate_limits *l = rate_limits_new(100);

    (void)state;
    assert_int_equal(exhaust(l, 1, 0, RATE_AUTH, S), 10);
    assert_true(is_first);
    assert_int_equal(take(l, 1, 0, RATE_AUTH, S), -EAGAIN);
    assert_false(is_first); /* logged once a minute */
    assert_int_equal(exhaust(l, 0, 1, RATE_AUTH, S), 10);
    assert_int_equal(exhaust(l, 2, 0, RATE_AUTH, S), 10);
    rate_limits_free(l);
}

static void test_limits_can_be_changed_and_turned_off(void **state)
{
    struct rate_limits *half = rate_limits_new(50), *off = rate_limits_new(0);

    (void)state;
    assert_int_equal(exhaust(half, 1, 0, RATE_DEFAULT, S), 60);
    assert_int_equal(exhaust(off, 1, 0, RATE_AUTH, S), 100000);
    rate_limits_free(half);
    rate_limits_free(off);
    rate_limits_free(NULL);
}

/* The clients that have asked last are kept. */
static void test_number_of_clients_is_limited(void **state)
{
    struct rate_limits *l = rate_limits_new(100);

    (void)state;
    assert_int_equal(exhaust(l, 1, 0, RATE_AUTH, S), 10);
    for (int64_t i = 2; i <= 4097; i++)
        assert_int_equal(take(l, i, 0, RATE_AUTH, 2 * S), 0);
    assert_int_equal(take(l, 1, 0, RATE_AUTH, 2 * S), 0); /* it was dropped */
    assert_int_equal(exhaust(l, 4097, 0, RATE_AUTH, 2 * S), 9);
    rate_limits_free(l);
}

static void test_routes_have_classes(void **state)
{
    static const struct {
        const char *method, *pattern;
        enum rate_class rate_class;
    } cases[] = {
        {"GET",    "/api/containers",                               RATE_CONTAINERS},
        {"POST",   "/api/hosts/{host}/containers/{container}/stop", RATE_CONTAINERS},
        {"GET",    "/api/hosts",                                    RATE_CONTAINERS},
        {"PUT",    "/api/hosts/{host}",                             RATE_HOSTS     },
        {"DELETE", "/api/hosts/{host}/volumes/{volume}",            RATE_HOSTS     },
        {"POST",   "/api/v2/auth/change-password",                  RATE_AUTH      },
        {"GET",    "/api/v2/auth/me",                               RATE_DEFAULT   },
        {"GET",    "/api/stacks",                                   RATE_STACKS    },
        {"GET",    "/metrics",                                      RATE_DEFAULT   },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct route r = {.method = cases[i].method, .pattern = cases[i].pattern};

        assert_int_equal(rate_class_of(&r), cases[i].rate_class);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_class_has_its_limit),
        cmocka_unit_test(test_users_and_keys_do_not_share_limits),
        cmocka_unit_test(test_limits_can_be_changed_and_turned_off),
        cmocka_unit_test(test_number_of_clients_is_limited),
        cmocka_unit_test(test_routes_have_classes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
