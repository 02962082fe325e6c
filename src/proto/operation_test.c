#include "base/macros.h"
#include "base/str.h"
#include "proto/operation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_every_row_is_filled(void **state)
{
    (void)state;
    operation_foreach(id) {
        const struct operation_spec *spec = operation_spec(id);

        if (str_is_empty(spec->name))
            fail_msg("operation %d has no row", (int)id);
        if (spec->kind != COMMAND_KIND_NONE)
            assert_int_equal(operation_find(spec->kind, spec->name), id);
        assert_non_null(spec->errors);
        assert_true(!spec->capability || operation_uses_capability(spec->capability));
    }
    assert_int_equal(operation_find(COMMAND_KIND_COMMAND, "start"), OPERATION_NONE);
    assert_int_equal(operation_find(COMMAND_KIND_OPERATION, "ping"), OPERATION_NONE);
    assert_int_equal(operation_find(COMMAND_KIND_COMMAND, NULL), OPERATION_NONE);
    assert_false(operation_uses_capability("container_updates"));
}

/* Facts that follow from each other. */
static void test_rows_agree(void **state)
{
    (void)state;
    operation_foreach(id) {
        const struct operation_spec *spec = operation_spec(id);
        bool reads = spec->effect == EFFECT_READS;
        bool is_of_policy = spec->word != NULL;

        if (is_of_policy && reads != (spec->class <= POLICY_READ))
            fail_msg("%s: the policies that only read allow it, or forbid to read", spec->name);
        if (spec->role != ROLE_NONE && reads != (spec->role == ROLE_VIEWER))
            fail_msg("%s: viewers may change something, or may not read", spec->name);
        if (spec->era == ERA_OURS && !spec->capability)
            fail_msg("%s: a server cannot know which agents have it", spec->name);
        if (spec->flags & (IS_BULK | SPARES_OWN) && !(spec->arguments & TAKES_CONTAINER))
            fail_msg("%s: has flags of operations on containers", spec->name);
        if (spec->flags & IS_BULK && spec->arguments & TAKES_NEW_NAME)
            fail_msg("%s: would give many containers one name", spec->name);
        if (spec->arguments & TAKES_CONTAINER && spec->errors[0] != CODE_NO_SUCH_CONTAINER)
            fail_msg("%s: the container may not exist", spec->name);
        if (spec->effect == EFFECT_ENDS && spec->arguments & TAKES_CONTAINER &&
            spec->role != ROLE_NONE && !(spec->flags & SPARES_OWN))
            fail_msg("%s: DockMon could end itself", spec->name);
    }
}

/* Two names of one word are the same operation in two eras. */
static void test_words_are_of_one_class(void **state)
{
    (void)state;
    operation_foreach(a) {
        operation_foreach(b) {
            const struct operation_spec *x = operation_spec(a), *y = operation_spec(b);

            if (x->word && y->word && str_eq(x->word, y->word)) {
                assert_int_equal(x->class, y->class);
                assert_int_equal(x->effect, y->effect);
                assert_int_equal(x->arguments, y->arguments);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_filled),
        cmocka_unit_test(test_rows_agree),
        cmocka_unit_test(test_words_are_of_one_class),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
