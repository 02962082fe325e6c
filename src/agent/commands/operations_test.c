#include "agent/commands/command.h"
#include "agent/commands/container.h"
#include "agent/commands/resource.h"
#include "agent/commands/updates.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/*
 * Every operation is carried out as a command, except for the two that sessions and shells
 * handle.
 */
static void test_every_operation_has_a_row(void **state)
{
    (void)state;
    operation_foreach(id) {
        bool is_elsewhere = id == OPERATION_TOKEN_ROTATE || id == OPERATION_SHELL ||
                            id == OPERATION_COPY;

        if (!agent_operation(id) != is_elsewhere)
            fail_msg("%s: no row, or one too many", operation_spec(id)->name);
    }
    assert_null(agent_operation(OPERATION_NONE));
}

static void test_rows_fit_the_shared_table(void **state)
{
    (void)state;
    operation_foreach(id) {
        const struct operation_spec *spec = operation_spec(id);
        const struct agent_operation *row = agent_operation(id);
        bool takes_container = spec->arguments & TAKES_CONTAINER;
        bool is_ruled = takes_container && spec->effect != EFFECT_READS;
        bool is_change = row && (row->type == &container_change || row->type == &updates_container);
        bool is_resource = row && row->type->prepare == resource_prepare;

        if (!row)
            continue;
        if (row->deadline_s == 0 || (row->needs == NEEDS_RULES) != is_ruled ||
            is_resource != ((spec->arguments & TAKES_RESOURCE) != 0))
            fail_msg("%s: the row does not fit", spec->name);
        /* A label can forbid it, so the flow must ask the guard. */
        if (takes_container && policy_heeds_label(id) != is_change)
            fail_msg("%s: labels are not heeded", spec->name);
    }
}

/*
 * After these times servers of DockMon and ours give up, and count a failure of the agent: it
 * answers before. Those of stop and restart are added to the timeout in the request, which is 10 s
 * in a restart by DockMon, whose limit is 30 s.
 */
static void test_answers_come_before_the_server_gives_up(void **state)
{
    static const struct {
        enum operation_id operation;
        unsigned server_s;
    } limits[] = {
        {OPERATION_START,           30 },
        {OPERATION_STOP,            20 },
        {OPERATION_RESTART,         20 },
        {OPERATION_KILL,            30 },
        {OPERATION_PAUSE,           30 },
        {OPERATION_UNPAUSE,         30 },
        {OPERATION_RENAME,          30 },
        {OPERATION_SET_LIMITS,      30 },
        {OPERATION_REMOVE,          30 },
        {OPERATION_GET_LOGS,        30 },
        {OPERATION_INSPECT,         15 },
        {OPERATION_TOP,             30 },
        {OPERATION_DIFF,            30 },
        {OPERATION_LIST_CONTAINERS, 30 },
        {OPERATION_LIST_IMAGES,     30 },
        {OPERATION_REMOVE_IMAGE,    60 },
        {OPERATION_PRUNE_IMAGES,    120},
        {OPERATION_LIST_NETWORKS,   30 },
        {OPERATION_CREATE_NETWORK,  30 },
        {OPERATION_DELETE_NETWORK,  60 },
        {OPERATION_PRUNE_NETWORKS,  60 },
        {OPERATION_LIST_VOLUMES,    30 },
        {OPERATION_CREATE_VOLUME,   30 },
        {OPERATION_DELETE_VOLUME,   60 },
        {OPERATION_PRUNE_VOLUMES,   60 },
        {OPERATION_DISK_USAGE,      120},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        unsigned deadline_s = agent_operation(limits[i].operation)->deadline_s;

        if (deadline_s >= limits[i].server_s)
            fail_msg("%s: %u s", operation_spec(limits[i].operation)->name, deadline_s);
    }
}

static void check_args(enum operation_id id, const struct command_args *args, unsigned missing)
{
    struct error err = ERROR_INIT;

    if ((command_check_args(id, args, &err) < 0) != (missing != 0))
        fail_msg("%s: %s", operation_spec(id)->name, err.msg);
}

static void test_faults_follow_the_arguments(void **state)
{
    json_auto_t *limits = json_pack("{s:i}", "pids_limit", 100);

    (void)state;
    operation_foreach(id) {
        struct command_args args = COMMAND_ARGS_INIT;
        unsigned takes = operation_spec(id)->arguments;

        check_args(id, &args, takes & (TAKES_CONTAINER | TAKES_NEW_NAME | TAKES_LIMITS));
        args.container_id = (char *)(uintptr_t) "web";
        check_args(id, &args, takes & (TAKES_NEW_NAME | TAKES_LIMITS));
        args.new_name = (char *)(uintptr_t) "new";
        check_args(id, &args, takes & TAKES_LIMITS);
        args.limits = limits;
        check_args(id, &args, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_operation_has_a_row),
        cmocka_unit_test(test_rows_fit_the_shared_table),
        cmocka_unit_test(test_answers_come_before_the_server_gives_up),
        cmocka_unit_test(test_faults_follow_the_arguments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
