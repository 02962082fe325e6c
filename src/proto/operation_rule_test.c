#include "base/macros.h"
#include "proto/operation_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct rule_subject arriving[] = {
    {OPERATION_INSPECT,  false, false},
    {OPERATION_GET_LOGS, false, false},
    {OPERATION_START,    false, false},
    {OPERATION_STOP,     false, false},
    {OPERATION_RESTART,  false, false},
    {OPERATION_KILL,     false, false},
    {OPERATION_PAUSE,    false, false},
    {OPERATION_UNPAUSE,  false, false},
    {OPERATION_RENAME,   false, false},
    {OPERATION_REMOVE,   false, false},
    {OPERATION_REMOVE,   true,  false},
    {OPERATION_KILL,     false, true },
};

/* One letter per column above: Beside, Overtakes, Waits, Refused. */
static const struct {
    enum operation_id running;
    bool is_mild;
    const char *rules;
} rows[] = {
    {OPERATION_INSPECT,  false, "BBBBBBBBBBBB"},
    {OPERATION_GET_LOGS, false, "BBBBBBBBBBBB"},
    {OPERATION_START,    false, "BBRWWWWWWWWW"},
    {OPERATION_STOP,     false, "BBWRWORRWWOB"},
    {OPERATION_RESTART,  false, "BBWWRORRWWOB"},
    {OPERATION_KILL,     false, "BBWWWRWWWWWW"},
    {OPERATION_KILL,     true,  "BBWWWWWWWWWW"},
    {OPERATION_PAUSE,    false, "BBWWWWRWWWWW"},
    {OPERATION_UNPAUSE,  false, "BBWWWWWRWWWW"},
    {OPERATION_RENAME,   false, "BBWWWWWWRWWW"},
    {OPERATION_REMOVE,   false, "BBWWWWWWWRRW"},
};

static void check_pair(size_t i, size_t k)
{
    struct rule_subject running = {.id = rows[i].running, .is_mild = rows[i].is_mild};
    enum operation_rule rule = operation_rule(running, arriving[k]);

    if ("BOWR"[rule] != rows[i].rules[k]) {
        fail_msg("%s during %s: %c", operation_spec(arriving[k].id)->name,
                 operation_spec(running.id)->name, "BOWR"[rule]);
    }
}

static void test_each_pair(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t k = 0; k < ARRAY_LEN(arriving); k++)
            check_pair(i, k);
    }
}

static enum operation_rule rule_of(enum operation_id running, enum operation_id arriving_id)
{
    struct rule_subject first = {.id = running}, second = {.id = arriving_id};

    return operation_rule(first, second);
}

/* The operations of older servers have the same rules under their own names. */
static void test_older_names(void **state)
{
    (void)state;
    assert_int_equal(rule_of(OPERATION_STOP_CONTAINER, OPERATION_KILL), RULE_OVERTAKE);
    assert_int_equal(rule_of(OPERATION_RESTART, OPERATION_DELETE_CONTAINER), RULE_OVERTAKE);
    assert_int_equal(rule_of(OPERATION_STOP, OPERATION_STOP_CONTAINER), RULE_REFUSE);
    assert_int_equal(rule_of(OPERATION_STOP, OPERATION_START_CONTAINER), RULE_WAIT);
    assert_int_equal(rule_of(OPERATION_STOP, OPERATION_CONTAINER_LOGS), RULE_BESIDE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_pair),
        cmocka_unit_test(test_older_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
