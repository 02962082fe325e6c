#include "agent/engine/facts.h"
#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static void put(struct facts *facts, const char *id)
{
    facts_put_container(facts, id, &(struct facts_container){.env = xstrdup("{}")});
}

/*
 * An event of a known container makes its entry stale; of an unknown one, an inspect may be running.
 */
static void test_events_invalidate_what_they_concern(void **state)
{
    static const struct {
        const char *type, *action;
        bool is_kept, grows;
    } cases[] = {
        {"container", "start",   false, true },
        {"container", "restart", false, true },
        {"container", "update",  false, true },
        {"container", "destroy", false, false},
        {"container", "pause",   true,  false},
        {"container", "rename",  true,  false},
        {"network",   "start",   true,  false},
        {"image",     "pull",    true,  true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct facts *facts = facts_new();
        unsigned before;

        put(facts, "known");
        put(facts, "other");
        facts_on_event(facts, cases[i].type, cases[i].action, "known");
        assert_true((facts_find_container(facts, "known") != NULL) == cases[i].is_kept);
        assert_non_null(facts_find_container(facts, "other"));

        before = facts_generation(facts);
        facts_on_event(facts, cases[i].type, cases[i].action, "unknown");
        assert_true((facts_generation(facts) != before) == cases[i].grows);
        facts_free(facts);
    }
}

static void test_images_are_read_again_after_an_event(void **state)
{
    struct facts *facts = facts_new();

    (void)state;
    facts_put_image(facts, "sha256:1", xstrdup("[]"));
    facts_on_event(facts, "container", "start", "known");
    assert_non_null(facts_find_image(facts, "sha256:1"));
    facts_on_event(facts, "image", "tag", "any");
    assert_null(facts_find_image(facts, "sha256:1"));
    facts_free(facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_invalidate_what_they_concern),
        cmocka_unit_test(test_images_are_read_again_after_an_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
