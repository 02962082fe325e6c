#include "server/auth/cache.h"

/* cmocka includes need these first, in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

static const struct identity ann = {.user_id = 1, .name = "ann", .role = ROLE_ADMIN};
static const struct identity key = {.key_id = 1, .name = "key", .role = ROLE_VIEWER};

static void test_entries_expire(void **state)
{
    struct identity_cache *c = identity_cache_new(5000, 10);

    (void)state;
    assert_null(identity_cache_find(c, "s:1", 0));
    identity_cache_put(c, "s:1", &ann, 100);
    assert_string_equal(identity_cache_find(c, "s:1", 5099)->name, "ann");
    assert_null(identity_cache_find(c, "s:1", 5100));
    assert_int_equal(identity_cache_size(c), 0);
    identity_cache_free(c);
}

static void test_put_replaces_an_entry(void **state)
{
    struct identity_cache *c = identity_cache_new(5000, 10);

    (void)state;
    identity_cache_put(c, "s:1", &ann, 0);
    identity_cache_put(c, "s:1", &key, 3000);
    assert_string_equal(identity_cache_find(c, "s:1", 7999)->name, "key");
    assert_int_equal(identity_cache_size(c), 1);
    identity_cache_free(c);
}

static void test_entries_are_removed_by_key(void **state)
{
    struct identity_cache *c = identity_cache_new(5000, 10);

    (void)state;
    identity_cache_put(c, "s:1", &ann, 0);
    identity_cache_put(c, "s:2", &ann, 0);
    identity_cache_put(c, "k:1", &key, 0);
    identity_cache_put(c, "s:3", &ann, 0);
    identity_cache_remove(c, "s:1");
    identity_cache_remove(c, "s:1");
    assert_null(identity_cache_find(c, "s:1", 0));
    assert_non_null(identity_cache_find(c, "s:2", 0));

    assert_non_null(identity_cache_find(c, "k:1", 0));
    assert_int_equal(identity_cache_size(c), 3);
    identity_cache_free(c);
}

static void test_the_cache_is_bounded(void **state)
{
    struct identity_cache *c = identity_cache_new(5000, 8);
    char name[16];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "s:%d", i);
        identity_cache_put(c, name, &ann, 0);
        assert_true(identity_cache_size(c) <= 8);
    }
    assert_null(identity_cache_find(c, "s:991", 0));
    assert_non_null(identity_cache_find(c, "s:992", 0));
    identity_cache_free(c);
    identity_cache_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_expire),
        cmocka_unit_test(test_put_replaces_an_entry),
        cmocka_unit_test(test_entries_are_removed_by_key),
        cmocka_unit_test(test_the_cache_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
