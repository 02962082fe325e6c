#include "base/str.h"
#include "cli/common/verbs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct verb *find_by_operation(enum operation_id id)
{
    const struct verb *found = NULL;

    for (size_t i = 0; i < n_verb_sections; i++) {
        for (const struct verb *const *v = verb_sections[i].verbs; *v; v++) {
            if ((*v)->operation != id)
                continue;
            if (found)
                fail_msg("%s has two verbs", operation_spec(id)->name);
            found = *v;
        }
    }
    return found;
}

static bool has_flag(const struct verb *v, const char *name)
{
    for (size_t i = 0; i < v->n_flags; i++) {
        if (str_eq(v->flags[i].name, name))
            return true;
    }
    return false;
}

/* Users reach each operation that is theirs by one verb, with a flag for each optional argument. */
static void test_every_operation_has_its_verb(void **state)
{
    (void)state;
    operation_foreach(id) {
        const struct operation_spec *spec = operation_spec(id);
        const struct verb *v = find_by_operation(id);
        unsigned takes = spec->arguments;

        if ((v != NULL) != (spec->role != ROLE_NONE))
            fail_msg("%s: %s", spec->name, v ? "no user may ask for it" : "no verb");
        if (!v)
            continue;
        /* `update`, which changes limits, has the flags of updates, too. */
        if (has_flag(v, "time") != ((takes & (TAKES_TIMEOUT | TAKES_LIMITS)) != 0) ||
            has_flag(v, "memory") != ((takes & TAKES_LIMITS) != 0) ||
            has_flag(v, "volumes") != ((takes & TAKES_REMOVAL) != 0) ||
            has_flag(v, "tail") != ((takes & TAKES_LOG_RANGE) != 0))
            fail_msg("%s: the flags do not fit the arguments", spec->name);
        if (takes & TAKES_CONTAINER && (v->min_words == 0 || v->words == WORDS_OTHER))
            fail_msg("%s: the verb takes no container", spec->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_operation_has_its_verb),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
