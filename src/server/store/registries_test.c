#include "base/alloc.h"
#include "base/str.h"
#include "server/store/fixture.h"
#include "server/store/registries.h"

#include <errno.h>
#include <stdio.h>

static int64_t create(struct db *s, const char *domain)
{
    _cleanup_free_ char *copy = xstrdup(domain);
    const struct registry spec = {
        .domain = copy,
        .username = (char[]){"pull"},
        .sealed = (char[]){"s1"},
        .security = (char[]){"verified"},
        .created_at_ms = 1,
        .updated_at_ms = 1,
    };
    int64_t id = 0;

    assert_int_equal(registries_create(s, &spec, &id, NULL), 0);
    return id;
}

static void test_registry_is_read_as_it_was_stored(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    _cleanup_(registry_done) struct registry row = {0};
    int64_t id = create(s, "registry.example.com");

    assert_int_equal(registries_get(s, id, &row, NULL), 0);
    assert_true(row.id == id);
    assert_string_equal(row.domain, "registry.example.com");
    assert_string_equal(row.username, "pull");
    assert_string_equal(row.sealed, "s1");
    assert_null(row.token_host);
    assert_string_equal(row.security, "verified");
    assert_true(row.created_at_ms == 1);
}

static void test_update_keeps_domain_and_creation(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    _cleanup_(registry_done) struct registry row = {0};
    int64_t id = create(s, "registry.example.com");
    const struct registry change = {
        .id = id,
        .domain = (char[]){"other.example.com"},
        .token_host = (char[]){"auth.example.com"},
        .security = (char[]){"plain"},
        .created_at_ms = 2,
        .updated_at_ms = 3,
    };

    assert_int_equal(registries_update(s, &change, NULL), 0);
    assert_int_equal(registries_get(s, id, &row, NULL), 0);
    assert_string_equal(row.domain, "registry.example.com");
    assert_null(row.username);
    assert_null(row.sealed);
    assert_string_equal(row.token_host, "auth.example.com");
    assert_string_equal(row.security, "plain");
    assert_true(row.created_at_ms == 1);
    assert_true(row.updated_at_ms == 3);
}

static void test_missing_and_duplicate_registries_are_refused(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct registry row = {0}, spec = {.security = (char[]){"verified"}};
    int64_t id = create(s, "registry.example.com"), other = 0;

    spec.domain = (char[]){"registry.example.com"};
    assert_int_equal(registries_create(s, &spec, &other, NULL), -EEXIST);
    spec.id = id + 1;
    assert_int_equal(registries_update(s, &spec, NULL), -ENOENT);
    assert_int_equal(registries_get(s, id + 1, &row, NULL), -ENOENT);
    assert_int_equal(registries_delete(s, id + 1, NULL), -ENOENT);
    assert_int_equal(registries_delete(s, id, NULL), 0);
    assert_int_equal(registries_get(s, id, &row, NULL), -ENOENT);
}

static void add_domain(void *arg, const struct registry *r)
{
    char *domains = arg;

    str_copy(domains + strlen(domains), 64 - strlen(domains), r->domain);
}

static void test_list_is_ordered_and_has_a_maximum(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    const struct registry spec = {.domain = (char[]){"c"}, .security = (char[]){"verified"}};
    char domains[64] = "";
    int64_t id = 0;

    (void)create(s, "b");
    (void)create(s, "a");
    assert_int_equal(registries_each(s, add_domain, domains, NULL), 0);
    assert_string_equal(domains, "ab");
    for (int i = 2; i < REGISTRIES_MAX; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "r%d", i);
        (void)create(s, name);
    }
    assert_int_equal(registries_create(s, &spec, &id, NULL), -EBUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_registry_is_read_as_it_was_stored),
        TEST(test_update_keeps_domain_and_creation),
        TEST(test_missing_and_duplicate_registries_are_refused),
        TEST(test_list_is_ordered_and_has_a_maximum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
