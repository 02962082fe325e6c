#include "agent/engine/health_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool is_change(struct health_watch *w, const char *id, const char *action)
{
    const struct event e = {.id = (char *)(uintptr_t)id, .action = (char *)(uintptr_t)action};

    return health_watch_is_change(w, &e);
}

static void test_only_changes_count(void **state)
{
    struct health_watch w = {0};

    (void)state;
    assert_true(is_change(&w, "a", "health_status: starting"));
    assert_true(is_change(&w, "a", "health_status: healthy"));
    assert_false(is_change(&w, "a", "health_status: healthy"));
    assert_true(is_change(&w, "b", "health_status: healthy"));
    assert_true(is_change(&w, "a", "health_status: unhealthy"));
    assert_false(is_change(&w, "a", "health_status: unhealthy"));
    assert_false(is_change(&w, "b", "health_status: healthy"));
    health_watch_done(&w);
    assert_true(is_change(&w, "b", "health_status: healthy"));
    health_watch_done(&w);
}

static void test_other_events_and_restarts(void **state)
{
    struct health_watch w = {0};

    (void)state;
    assert_true(is_change(&w, "a", "health_status: healthy"));
    assert_true(is_change(&w, "a", "pause"));
    assert_true(is_change(&w, "a", "pause"));
    assert_false(is_change(&w, "a", "health_status: healthy"));
    assert_true(is_change(&w, "a", "start"));
    assert_true(is_change(&w, "a", "health_status: healthy"));
    assert_true(is_change(&w, "a", "destroy"));
    assert_true(w.last.size == 0);
    health_watch_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_changes_count),
        cmocka_unit_test(test_other_events_and_restarts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
