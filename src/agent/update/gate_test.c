#include "agent/update/gate.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS   INT64_C(1790000000000)
#define MAX_LOOK 40

/* A look at the container: the time since the start of the test, and what is different. */
struct look {
    int at_s;
    const char *status;               /* NULL: it does not exist */
    const char *health;               /* NULL: none */
    int exit_code, restarts, started; /* `started` is the number of the start */
};

static json_t *make_inspect(const struct look *l, const char *policy, const char *check)
{
    bool is_restarting = str_eq(l->status, "restarting");
    bool is_running = is_restarting || str_eq(l->status, "running") || str_eq(l->status, "paused");
    char started[32];
    json_t *v;

    (void)snprintf(started, sizeof(started), "2026-12-02T10:00:%02dZ", l->started);
    v = json_pack("{s:i, s:{s:s, s:b, s:b, s:b, s:i, s:s, s:s}, s:{s:{s:s, s:i}}, s:{}}",
                  "RestartCount", l->restarts, "State", "Status", l->status, "Running", is_running,
                  "Restarting", is_restarting, "Paused", str_eq(l->status, "paused"), "ExitCode",
                  l->exit_code, "StartedAt", started, "Error", "", "HostConfig", "RestartPolicy",
                  "Name", policy, "MaximumRetryCount", str_eq(policy, "on-failure") ? 2 : 0,
                  "Config");
    assert_non_null(v);
    if (check) {
        json_object_set_new(json_object_get(v, "Config"), "Healthcheck",
                            json_loads(check, 0, NULL));
    }
    if (l->health) {
        json_object_set_new(json_object_get(v, "State"), "Health",
                            json_pack("{s:s, s:[{s:s}]}", "Status", l->health, "Log", "Output",
                                      "no\nroute \x1b[31m"));
    }
    return v;
}

struct test_case {
    const char *name, *policy, *check;
    struct gate_options o;
    struct look looks[MAX_LOOK]; /* up to the first with at_s < 0 */
    enum gate_verdict verdict;   /* of the last look; the earlier ones wait */
    const char *reason;          /* a part of it */
};

#define RUNNING             \
    {                       \
        .was_running = true \
    }
#define END        \
    {              \
        .at_s = -1 \
    }
/* 2 s + 3 x (5 s + 5 s) = 32 s */
#define CHECK32                                                                     \
    "{\"Test\":[\"CMD\",\"x\"],\"StartPeriod\":2000000000,\"Interval\":5000000000," \
    "\"Timeout\":5000000000,\"Retries\":3}"
#define CHECK_FAST \
    "{\"Test\":[\"CMD\",\"x\"],\"Interval\":1000000000,\"Timeout\":1000000000,\"Retries\":1}"
#define STEPS30(state, health)                                                                \
    {10, state, health, 0, 0, 0}, {15, state, health, 0, 0, 0}, {20, state, health, 0, 0, 0}, \
        {25, state, health, 0, 0, 0},                                                         \
    {                                                                                         \
        29, state, health, 0, 0, 0                                                            \
    }

static const struct test_case cases[] = {
    {"up for 10 s",
     "no",                                                     NULL,
     RUNNING,                                                                       {{0, "running", NULL, 0, 0, 0},
      {9, "running", NULL, 0, 0, 0},
      {10, "running", NULL, 0, 0, 0},
      END},
     GATE_PASS,                                                                                                                                                                NULL                                               },
    {"up for the time asked",
     "no",                                                     NULL,
     {.was_running = true, .stays_up_ms = 2000},
     {{0, "running", NULL, 0, 0, 0}, {2, "running", NULL, 0, 0, 0}, END},
     GATE_PASS,                                                                                                                                                                NULL                                               },
    {"a restart begins the time again",
     "always",                                                 NULL,
     RUNNING,                                                                       {{0, "running", NULL, 0, 0, 0},
      {9, "running", NULL, 0, 0, 0},
      {11, "running", NULL, 0, 1, 1},
      {20, "running", NULL, 0, 1, 1},
      {21, "running", NULL, 0, 1, 1},
      END},
     GATE_PASS,                                                                                                                                                                NULL                                               },
    {"a start by others begins it again",
     "no",                                                     NULL,
     RUNNING,                                                                       {{0, "running", NULL, 0, 0, 0},
      {9, "running", NULL, 0, 0, 0},
      {11, "running", NULL, 0, 0, 1},
      {20, "running", NULL, 0, 0, 1},
      {21, "running", NULL, 0, 0, 1},
      END},
     GATE_PASS,                                                                                                                                                                NULL                                               },
    {"crash loop, at once",
     "always",                                                 NULL,
     RUNNING,                                                                       {{0, "running", NULL, 0, 0, 0},
      {1, "restarting", NULL, 3, 2, 0},
      {2, "restarting", NULL, 3, 3, 0},
      {3, "restarting", NULL, 3, 4, 0},
      END},
     GATE_FAIL,                                                                                                                                                                "crash loop: 4 restarts, the last exit with code 3"},
    {"crash loop with a health check, inside the grace",
     "always",                                                 CHECK32,
     RUNNING,                                                                       {{0, "running", "starting", 0, 0, 0},
      {1, "running", "starting", 0, 3, 0},
      {3, "running", "healthy", 0, 4, 0},
      END},
     GATE_FAIL,                                                                                                                                                                "crash loop"                                       },
    {"restarting is not up",
     "always",                                                 NULL,
     RUNNING,                                                                       {{0, "restarting", NULL, 1, 1, 0},
      {9, "restarting", NULL, 1, 1, 0},
      {18, "restarting", NULL, 1, 1, 0},
      END},
     GATE_WAIT,                                                                                                                                                                NULL                                               },
    {"paused is not up",
     "no",                                                     NULL,
     RUNNING,                                                                       {{0, "paused", NULL, 0, 0, 0},
      {9, "paused", NULL, 0, 0, 0},
      {18, "paused", NULL, 0, 0, 0},
      END},
     GATE_WAIT,                                                                                                                                                                NULL                                               },
    {"healthy once",
     "no",                                                     CHECK32,
     RUNNING,                                                                       {{0, "running", "starting", 0, 0, 0}, {1, "running", "healthy", 0, 0, 0}, END},
     GATE_PASS,                                                                                                                                                                NULL                                               },
    {"healthy, but restarting",
     "always",                                                 CHECK32,
     RUNNING,                                                                       {{0, "restarting", "healthy", 0, 1, 0}, END},
     GATE_WAIT,                                                                                                                                                                NULL                                               },
    {"unhealthy inside the grace",
     "no",                                                     CHECK32,
     RUNNING,                                                                       {{0, "running", "starting", 0, 0, 0},
      STEPS30("running", "unhealthy"),
      {31, "running", "unhealthy", 0, 0, 0},
      END},
     GATE_WAIT,                                                                                                                                                                NULL                                               },
    {"unhealthy after it",
     "no",                                                     CHECK32,
     RUNNING,                                                                       {{0, "running", "starting", 0, 0, 0},
      STEPS30("running", "unhealthy"),
      {32, "running", "unhealthy", 0, 0, 0},
      END},
     GATE_FAIL,                                                                                                                                                                "unhealthy after 32 s: no route  [31m"             },
    {"the grace is at least 30 s",
     "no",                                                     CHECK_FAST,
     RUNNING,                                                                       {{0, "running", "starting", 0, 0, 0}, STEPS30("running", "unhealthy"), END},
     GATE_WAIT,                                                                                                                                                                NULL                                               },
    {"and 30 s are enough",
     "no",                                                     CHECK_FAST,
     RUNNING,                                                                       {{0, "running", "starting", 0, 0, 0},
      STEPS30("running", "unhealthy"),
      {30, "running", "unhealthy", 0, 0, 0},
      END},
     GATE_FAIL,                                                                                                                                                                "unhealthy"                                        },
    {"the user raises the grace",
     "no",                                                     CHECK_FAST,
     {.was_running = true, .grace_ms = 60000},
     {{0, "running", "starting", 0, 0, 0},
      STEPS30("running", "unhealthy"),
      {39, "running", "unhealthy", 0, 0, 0},
      END},
     GATE_WAIT,                                                                                                                                                                NULL                                               },
    {"slow starter",
     "no",                                                     CHECK32,
     RUNNING,                                                                       {{0, "running", "starting", 0, 0, 0},
      STEPS30("running", "unhealthy"),
      {31, "running", "healthy", 0, 0, 0},
      END},
     GATE_PASS,                                                                                                                                                                NULL                                               },
    {"starting for ever",
     "no",                                                     CHECK_FAST,
     {.was_running = true, .health_timeout_ms = 31000},
     {{0, "running", "starting", 0, 0, 0},
      STEPS30("running", "starting"),
      {31, "running", "starting", 0, 0, 0},
      END},
     GATE_FAIL,                                                                                                                                                                "health is \"starting\" after 31 s"                },
    {"the deadline is no less than the grace",
     "no",                                                     CHECK32,
     {.was_running = true, .health_timeout_ms = 1000},
     {{0, "running", "starting", 0, 0, 0}, STEPS30("running", "starting"), END},
     GATE_WAIT,                                                                                                                                                                NULL                                               },
    {"one-shot",                                         "no", NULL,       RUNNING, {{0, "exited", NULL, 0, 0, 0}, END},                                            GATE_PASS, NULL                                               },
    {"one-shot, on-failure",
     "on-failure",                                             NULL,
     RUNNING,                                                                       {{0, "exited", NULL, 0, 0, 0}, END},
     GATE_PASS,                                                                                                                                                                NULL                                               },
    {"one-shot without a policy, with a health check",
     "",                                                       CHECK32,
     RUNNING,                                                                       {{0, "exited", "starting", 0, 0, 0}, END},
     GATE_PASS,                                                                                                                                                                NULL                                               },
    {"exit with 1",
     "no",                                                     NULL,
     RUNNING,                                                                       {{0, "exited", NULL, 1, 0, 0}, END},
     GATE_FAIL,                                                                                                                                                                "exited with code 1"                               },
    {"exit with 0, but it should run",
     "always",                                                 NULL,
     RUNNING,                                                                       {{0, "exited", NULL, 0, 0, 0},
      {4, "exited", NULL, 0, 0, 0},
      {5, "exited", NULL, 0, 0, 0},
      END},
     GATE_FAIL,                                                                                                                                                                "exited with code 0"                               },
    {"on-failure, tries left",
     "on-failure",                                             NULL,
     RUNNING,                                                                       {{0, "exited", NULL, 1, 1, 0}, END},
     GATE_WAIT,                                                                                                                                                                NULL                                               },
    {"on-failure, no try left",
     "on-failure",                                             NULL,
     RUNNING,                                                                       {{0, "exited", NULL, 1, 2, 0}, END},
     GATE_FAIL,                                                                                                                                                                "exited with code 1"                               },
    {"stopped stays stopped",
     "no",                                                     NULL,
     {.was_running = false},
     {{0, "created", NULL, 0, 0, 0}, END},
     GATE_PASS,                                                                                                                                                                NULL                                               },
    {"stopped, but it runs",
     "no",                                                     NULL,
     {.was_running = false},
     {{0, "running", NULL, 0, 0, 0}, END},
     GATE_FAIL,                                                                                                                                                                "was stopped before"                               },
    {"gone",
     "no",                                                     NULL,
     RUNNING,                                                                       {{0, "running", NULL, 0, 0, 0}, {1, NULL, NULL, 0, 0, 0}, END},
     GATE_FAIL,                                                                                                                                                                "does not exist"                                   },
    {"being removed",
     "no",                                                     NULL,
     RUNNING,                                                                       {{0, "removing", NULL, 0, 0, 0}, END},
     GATE_FAIL,                                                                                                                                                                "removed"                                          },
    {"the clock jumps, or the agent was away",
     "no",                                                     NULL,
     RUNNING,                                                                       {{0, "running", NULL, 0, 0, 0},
      {1, "running", NULL, 0, 0, 0},
      {90000, "restarting", NULL, 0, 0, 0},
      {0, "restarting", NULL, 0, 0, 0},
      {90000, "restarting", NULL, 0, 0, 0},
      END},
     GATE_WAIT,                                                                                                                                                                NULL                                               },
};

static void run_case(const struct test_case *c)
{
    _cleanup_(gate_freep) struct gate *g = gate_new(&c->o);
    enum gate_verdict verdict = GATE_WAIT;

    for (const struct look *l = c->looks; l->at_s >= 0; l++) {
        json_auto_t *inspect = l->status ? make_inspect(l, c->policy, c->check) : NULL;
        const char *reason = "";

        if (verdict != GATE_WAIT)
            fail_msg("%s: decided before %d s", c->name, l->at_s);
        verdict = gate_look(g, inspect, NOW_MS + INT64_C(1000) * l->at_s, &reason);
        if (verdict == GATE_FAIL && (!c->reason || !strstr(reason, c->reason)))
            fail_msg("%s: failed with %s", c->name, reason);
    }
    if (verdict != c->verdict)
        fail_msg("%s: verdict %d", c->name, (int)verdict);
}

static void test_verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        run_case(&cases[i]);
}

static void test_grace(void **state)
{
    static const struct {
        const char *config;
        uint64_t ms;
    } graces[] = {
        {"{}",                                                                                   180000           },
        {"{\"Healthcheck\":{\"Test\":[\"CMD\",\"x\"]}}",                                         180000           },
        {"{\"Healthcheck\":" CHECK32 "}",                                                        32000            },
        {"{\"Healthcheck\":" CHECK_FAST "}",                                                     GATE_MIN_GRACE_MS},
        {"{\"Healthcheck\":{\"Interval\":9223372036854775807,\"Retries\":9223372036854775807}}",
         GATE_MAX_GRACE_MS                                                                                        },
        {"{\"Healthcheck\":{\"Interval\":-1,\"Timeout\":\"x\",\"Retries\":-5}}",                 180000           },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(graces); i++) {
        json_auto_t *config = json_loads(graces[i].config, 0, NULL);

        assert_int_equal(gate_grace_ms(config), graces[i].ms);
    }
    assert_int_equal(gate_grace_ms(NULL), 180000);
}

/* The answer of an engine may be anything. */
static void test_any_answer_is_fine(void **state)
{
    static const char *const answers[] = {
        "{}",
        "{\"State\":null}",
        "{\"State\":{}}",
        "{\"State\":{\"Status\":5,\"Health\":[]}}",
        "{\"State\":{\"Status\":\"exited\",\"ExitCode\":\"x\"},\"HostConfig\":[]}",
        "{\"State\":{\"Running\":true,\"Health\":{\"Status\":\"odd\",\"Log\":[5]}}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        _cleanup_(gate_freep) struct gate *g = gate_new(&(struct gate_options)RUNNING);
        json_auto_t *inspect = json_loads(answers[i], 0, NULL);

        assert_non_null(inspect);
        (void)gate_look(g, inspect, NOW_MS, NULL);
        (void)gate_look(g, inspect, INT64_MAX, NULL);
        (void)gate_look(g, inspect, 0, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_grace),
        cmocka_unit_test(test_any_answer_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
