#include "base/macros.h"
#include "proto/operation_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct column {
    enum operation_id id;
    bool is_forced;
} arriving[] = {
    {OPERATION_INSPECT,  false},
    {OPERATION_GET_LOGS, false},
    {OPERATION_START,    false},
    {OPERATION_STOP,     false},
    {OPERATION_RESTART,  false},
    {OPERATION_KILL,     false},
    {OPERATION_PAUSE,    false},
    {OPERATION_UNPAUSE,  false},
    {OPERATION_RENAME,   false},
    {OPERATION_REMOVE,   false},
    {OPERATION_REMOVE,   true },
};

/* One letter per column above: Beside, Overtakes, Waits, Refused. */
static const struct {
    enum operation_id running;
    const char *rules;
} rows[] = {
    {OPERATION_INSPECT,  "BBBBBBBBBBB"},
    {OPERATION_GET_LOGS, "BBBBBBBBBBB"},
    {OPERATION_START,    "BBRWWWWWWWW"},
    {OPERATION_STOP,     "BBWRWORRWWO"},
    {OPERATION_RESTART,  "BBWWRORRWWO"},
    {OPERATION_KILL,     "BBWWWRWWWWW"},
    {OPERATION_PAUSE,    "BBWWWWRWWWW"},
    {OPERATION_UNPAUSE,  "BBWWWWWRWWW"},
    {OPERATION_RENAME,   "BBWWWWWWRWW"},
    {OPERATION_REMOVE,   "BBWWWWWWWRR"},
};

static void check_pair(size_t i, size_t k)
{
    enum operation_rule rule = operation_rule(rows[i].running, arriving[k].id,
                                              arriving[k].is_forced);

    if ("BOWR"[rule] != rows[i].rules[k]) {
        fail_msg("%s during %s: %c", operation_spec(arriving[k].id)->name,
                 operation_spec(rows[i].running)->name, "BOWR"[rule]);
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

/* The operations of older servers have the same rules under their own names. */
static void test_older_names(void **state)
{
    (void)state;
    assert_int_equal(operation_rule(OPERATION_STOP_CONTAINER, OPERATION_KILL, false),
                     RULE_OVERTAKE);
    assert_int_equal(operation_rule(OPERATION_RESTART, OPERATION_DELETE_CONTAINER, false),
                     RULE_OVERTAKE);
    assert_int_equal(operation_rule(OPERATION_STOP, OPERATION_STOP_CONTAINER, false), RULE_REFUSE);
    assert_int_equal(operation_rule(OPERATION_STOP, OPERATION_START_CONTAINER, false), RULE_WAIT);
    assert_int_equal(operation_rule(OPERATION_STOP, OPERATION_CONTAINER_LOGS, false), RULE_BESIDE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_pair),
        cmocka_unit_test(test_older_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
