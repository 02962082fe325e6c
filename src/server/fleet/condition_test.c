#include "base/macros.h"
#include "server/fleet/condition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define NONE CONDITION_UNKNOWN

static const struct fleet_condition unknown = {NONE, NONE, NONE};

static void check(const struct fleet_condition *c, const struct fleet_condition *expected)
{
    assert_int_equal(c->health, expected->health);
    assert_int_equal(c->exit_code, expected->exit_code);
    assert_int_equal(c->oom_killed, expected->oom_killed);
}

static void test_status_has_health_and_exit_code(void **state)
{
    static const struct {
        const char *state, *status;
        struct fleet_condition expected;
    } cases[] = {
        {"running",    "Up 5 minutes",                       {NONE, NONE, NONE}},
        {"running",    "Up 5 minutes (healthy)",             {1, NONE, NONE}   },
        {"running",    "Up 5 minutes (unhealthy)",           {0, NONE, NONE}   },
        {"running",    "Up 1 second (health: starting)",     {NONE, NONE, NONE}},
        {"running",    "Up 1 second (health: unhealthy)",    {0, NONE, NONE}   },
        {"running",    "Up (healthy) (other)",               {NONE, NONE, NONE}},
        {"running",    "Up (healthy",                        {NONE, NONE, NONE}},
        {"exited",     "Exited (137) 2 hours ago",           {NONE, 137, NONE} },
        {"exited",     "Exited (0) 2 hours ago (healthy)",   {NONE, 0, NONE}   },
        {"exited",     "Exited (x) 2 hours ago",             {NONE, NONE, NONE}},
        {"exited",     "Exited (1",                          {NONE, 1, NONE}   },
        {"exited",     "Exited (99999999999999999999999999", {NONE, NONE, NONE}},
        {"restarting", "Restarting (1) 3 seconds ago",       {NONE, 1, NONE}   },
        {"created",    "Created",                            {NONE, NONE, NONE}},
        {"exited",     NULL,                                 {NONE, NONE, NONE}},
        {NULL,         "Up 5 minutes (healthy)",             {NONE, NONE, NONE}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct msg_container m = {.state = (char *)(uintptr_t)cases[i].state,
                                  .status = (char *)(uintptr_t)cases[i].status};
        struct fleet_condition c;

        condition_read(&c, &m, NULL);
        check(&c, &cases[i].expected);
    }
}

static void test_values_that_an_element_lacks_stay(void **state)
{
    static const struct fleet_condition old = {1, 137, 1};
    char up[] = "Up 5 minutes (Paused)", paused[] = "paused", exited[] = "exited";
    struct msg_container m = {.state = paused, .status = up};
    struct fleet_condition c;

    (void)state;
    condition_read(&c, &m, &old);
    check(&c, &old);

    m.state = exited;
    condition_read(&c, &m, &old);
    check(&c, &(struct fleet_condition){NONE, 137, 1}); /* a container that ended has no health */

    m.oom_killed = json_false();
    condition_read(&c, &m, &old);
    check(&c, &(struct fleet_condition){NONE, 137, 0});
    m.oom_killed = json_true();
    condition_read(&c, &m, NULL);
    check(&c, &(struct fleet_condition){NONE, NONE, 1});
}

static void test_events_change_the_condition(void **state)
{
    static const struct {
        const char *action, *name, *value;
        struct fleet_condition expected;
    } cases[] = {
        {"health_status: healthy", NULL,            NULL,        {1, NONE, NONE}},
        {"health_status",          "health_status", "unhealthy", {0, NONE, NONE}},
        {"health_status: odd",     NULL,            NULL,        {0, NONE, NONE}},
        {"oom",                    NULL,            NULL,        {0, NONE, 1}   },
        {"die",                    "exitCode",      "137",       {0, 137, 1}    },
        {"die",                    "exitCode",      "many",      {0, 137, 1}    },
        {"die",                    NULL,            NULL,        {0, 137, 1}    },
        {"start",                  NULL,            NULL,        {NONE, 137, 0} },
        {"rename",                 NULL,            NULL,        {NONE, 137, 0} },
    };
    struct fleet_condition c = unknown;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct msg_container_event m = {.action = (char *)(uintptr_t)cases[i].action};

        if (cases[i].name)
            m.attributes = json_pack("{s:s}", cases[i].name, cases[i].value);
        condition_note_event(&c, &m);
        json_decref(m.attributes);
        check(&c, &cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_has_health_and_exit_code),
        cmocka_unit_test(test_values_that_an_element_lacks_stay),
        cmocka_unit_test(test_events_change_the_condition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
