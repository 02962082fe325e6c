#include "net/strangers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct visitor {
    struct stranger stranger;
    bool is_evicted;
};

static void on_evict(struct stranger *s)
{
    struct visitor *v = CONTAINER_OF(s, struct visitor, stranger);

    stranger_remove(s);
    v->is_evicted = true;
}

static void enter(struct strangers *ss, struct visitor *v, const char *address)
{
    *v = (struct visitor){0};
    (void)strangers_make_room(ss, address);
    stranger_add(ss, &v->stranger, address, on_evict);
}

static void leave_all(struct visitor *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        stranger_remove(&v[i].stranger);
}

static void test_a_source_has_its_share(void **state)
{
    struct strangers ss;
    struct visitor v[5];

    (void)state;
    strangers_init(&ss, 2);
    enter(&ss, &v[0], "192.0.2.1");
    enter(&ss, &v[1], "192.0.2.2");
    enter(&ss, &v[2], "192.0.2.1");
    assert_int_equal(ss.n, 3);
    enter(&ss, &v[3], "192.0.2.1");
    assert_true(v[0].is_evicted); /* the oldest of the same source, of no other */
    assert_false(v[1].is_evicted);
    assert_int_equal(ss.n, 3);

    stranger_remove(&v[2].stranger); /* it authenticated: its place is free again */
    enter(&ss, &v[4], "192.0.2.1");
    assert_false(v[3].is_evicted);
    leave_all(v, 5);
    assert_int_equal(ss.sources.size, 0);
    strangers_done(&ss);
}

static void test_the_oldest_of_all_goes_first(void **state)
{
    struct strangers ss;
    struct visitor v[3];

    (void)state;
    strangers_init(&ss, 10);
    assert_false(strangers_evict_oldest(&ss));
    enter(&ss, &v[0], "192.0.2.1");
    enter(&ss, &v[1], "192.0.2.2");
    enter(&ss, &v[2], "192.0.2.1");
    assert_true(strangers_evict_oldest(&ss));
    assert_true(v[0].is_evicted);
    assert_true(strangers_evict_oldest(&ss));
    assert_true(v[1].is_evicted);
    leave_all(v, 3);
    assert_false(strangers_evict_oldest(&ss));
    strangers_done(&ss);
}

static void test_a_network_of_ipv6_is_one_source(void **state)
{
    struct strangers ss;
    struct visitor v[3];

    (void)state;
    strangers_init(&ss, 1);
    enter(&ss, &v[0], "2001:db8:1:2::1");
    enter(&ss, &v[1], "2001:db8:1:3::1");
    assert_false(v[0].is_evicted);
    enter(&ss, &v[2], "2001:db8:1:2:ffff:ffff:ffff:ffff");
    assert_true(v[0].is_evicted);
    assert_false(v[1].is_evicted);
    leave_all(v, 3);
    strangers_done(&ss);
}

static void test_leaving_twice_is_harmless(void **state)
{
    struct strangers ss;
    struct visitor v;

    (void)state;
    strangers_init(&ss, 1);
    enter(&ss, &v, ""); /* an unknown address */
    stranger_remove(&v.stranger);
    stranger_remove(&v.stranger);
    assert_int_equal(ss.n, 0);
    strangers_done(&ss);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_source_has_its_share),
        cmocka_unit_test(test_the_oldest_of_all_goes_first),
        cmocka_unit_test(test_a_network_of_ipv6_is_one_source),
        cmocka_unit_test(test_leaving_twice_is_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
