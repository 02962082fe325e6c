#include "agent/join/auth_reply.h"
#include "base/str.h"
#include "proto/known_texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static const struct auth_attempt permanent = {.with_permanent = true};
static const struct auth_attempt both = {.with_permanent = true, .has_registration = true};
static const struct auth_attempt two = {
    .with_permanent = true, .has_other_token = true, .has_registration = true};
static const struct auth_attempt other_engine = {
    .with_permanent = true, .is_other_engine = true, .has_other_token = true};
static const struct auth_attempt registration = {.has_registration = true};
static const struct auth_attempt named = {.has_registration = true, .hostname = "web-1"};
static const struct auth_attempt forced = {.has_registration = true, .force_unique = true};

#define EXTRA(field)                                                                        \
    "{\"type\":\"auth_error\",\"error\":\"Invalid registration data: Extra inputs are not " \
    "permitted (field: " field ")\"}"
#define REFUSAL(text)     "{\"type\":\"auth_error\",\"error\":\"" text "\"}"
#define CODED(code, text) "{\"type\":\"auth_error\",\"error\":\"" text "\",\"code\":\"" code "\"}"

static const struct {
    const struct auth_attempt *attempt;
    const char *text;
    enum auth_verdict verdict;
    const char *detail; /* the field, or a part of the reason */
} verdict_cases[] = {
    {&registration,
     "{\"type\":\"auth_success\",\"agent_id\":\"a\",\"host_id\":\"h\",\"permanent_token\":\"p\"}",          AUTH_ACCEPTED,                                      NULL                                                                     },
    {&permanent,    "{\"agent_id\":\"a\",\"host_id\":\"h\"}",                                               AUTH_ACCEPTED,                                      NULL                                                                     },
    {&permanent,
     "{\"type\":\"auth_success\",\"agent_id\":\"a\",\"host_id\":\"h\",\"permanent_token\":null,\"x\":[1]}",
     AUTH_ACCEPTED,                                                                                                                                             NULL                                                                     },
    {&permanent,    "{\"type\":\"auth_success\",\"agent_id\":\"a\",\"host_id\":null}",                      AUTH_FAILED,
     "host_id"                                                                                                                                                                                                                           },
    {&permanent,    "{\"type\":\"auth_success\",\"agent_id\":7,\"host_id\":\"h\"}",                         AUTH_FAILED,
     "agent_id"                                                                                                                                                                                                                          },
    {&permanent,    "{}",                                                                                   AUTH_FAILED,                                        "agent_id"                                                               },
    {&permanent,    "[]",                                                                                   AUTH_FAILED,                                        NULL                                                                     },
    {&permanent,    "not json",                                                                             AUTH_FAILED,                                        "not JSON"                                                               },
    {&permanent,    "",                                                                                     AUTH_FAILED,                                        "not JSON"                                                               },
    {&registration, EXTRA("agent_os"),                                                                      AUTH_DROP_FIELD,                                    "agent_os"                                                               },
    {&both,         EXTRA("hostname_source"),                                                               AUTH_DROP_FIELD,                                    "hostname_source"                                                        },
    {&both,         EXTRA("engine_id"),                                                                     AUTH_REFUSED,                                       "Extra inputs"                                                           },
    {&both,         EXTRA("no_such_field"),                                                                 AUTH_REFUSED,                                       "Extra inputs"                                                           },
    {&registration, EXTRA("force_unique_registration"),                                                     AUTH_DROP_FIELD,
     "force_unique_registration"                                                                                                                                                                                                         },
    {&forced,       EXTRA("agent_os"),                                                                      AUTH_REFUSED,                                       "too old for FORCE_UNIQUE"                                               },
    {&forced,       EXTRA("force_unique_registration"),                                                     AUTH_REFUSED,                                       "too old for FORCE_UNIQUE"                                               },
    {&both,         REFUSAL("Invalid registration token"),                                                  AUTH_USE_REGISTRATION,
     "Invalid registration token"                                                                                                                                                                                                        },
    {&both,         REFUSAL("Permanent token does not match engine_id"),                                    AUTH_USE_REGISTRATION,                              "match"                                                                  },
    {&permanent,    REFUSAL("Permanent token does not match engine_id"),                                    AUTH_REFUSED,
     "set REGISTRATION_TOKEN"                                                                                                                                                                                                            },
    {&permanent,    REFUSAL("Invalid registration token"),                                                  AUTH_REFUSED,
     "create a new registration token"                                                                                                                                                                                                   },
    {&registration, REFUSAL("Registration token has expired"),                                              AUTH_REFUSED,
     "create a new registration token"                                                                                                                                                                                                   },
    {&two,          REFUSAL("Invalid registration token"),                                                  AUTH_USE_OTHER_TOKEN,                               "Invalid"                                                                },
    {&two,          REFUSAL("Permanent token does not match engine_id"),                                    AUTH_USE_OTHER_TOKEN,                               "match"                                                                  },
    {&two,          REFUSAL("A host named 'x' already exists in DockMon"),                                  AUTH_REFUSED,                                       "AGENT_NAME"                                                             },
    {&other_engine, REFUSAL("Permanent token does not match engine_id"),                                    AUTH_USE_PRESENT_ENGINE,
     "match"                                                                                                                                                                                                                             },
    {&other_engine, REFUSAL("Invalid registration token"),                                                  AUTH_USE_OTHER_TOKEN,                               "Invalid"                                                                },
    {&both,         REFUSAL("Agent with this engine_id is already registered"),                             AUTH_REFUSED,
     "FORCE_UNIQUE_REGISTRATION"                                                                                                                                                                                                         },
    {&both,         REFUSAL("A host named 'x' already exists in DockMon"),                                  AUTH_REFUSED,                                       "AGENT_NAME"                                                             },
    {&registration,
     REFUSAL("Agent with this engine_id is already registered. Use "
             "FORCE_UNIQUE_REGISTRATION and AGENT_NAME"),
     AUTH_REFUSED,                                                                                                                                              "PERMANENT_TOKEN to the agent id of the host, from `GET /api/agent/list`"},
    {&registration, CODED("engine_registered",                                                              "Agent with this engine_id is already registered"),
     AUTH_REFUSED,                                                                                                                                                                                                                         "--replace HOST"},
    {&registration,
     REFUSAL("Invalid registration data: Value error, ID must contain only "
             "alphanumeric characters (field: engine_id)"),
     AUTH_REFUSED,                                                                                                     "before v2.2.1"                                                                                                                                                                                                                        },
    {&named,             REFUSAL("UNIQUE constraint failed: docker_hosts.name"),                                                                                              AUTH_REFUSED,                                                                              "not web-1"},
    {&named,             REFUSAL("A host named 'web-1' already exists in DockMon. Set AGENT_NAME"),
     AUTH_REFUSED,                                                           "'web-1' already exists in DockMon. Set AGENT_NAME"                                                                                                                                                                                                                        },
    {&both,             REFUSAL("Authentication timeout"),                                                                                               AUTH_FAILED,                                                                                                    "timeout"},
    {&both,             REFUSAL(""),                                                                                               AUTH_REFUSED,                                                                                                                          "no reason given"                                                                                                                                                                                                                                             },
    {&both,             "{\"type\":\"auth_error\"}",                                                                                               AUTH_REFUSED,                                                                                                          "no reason given"},
    {&both,             "{\"type\":\"auth_error\",\"error\":5,\"agent_id\":\"a\",\"host_id\":\"h\"}",
     AUTH_REFUSED,                                                         "no reason given"                                                                                                                                                                                                                        },
};

static void test_verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(verdict_cases); i++) {
        struct auth_reply reply;

        auth_reply_judge(verdict_cases[i].attempt, verdict_cases[i].text,
                         strlen(verdict_cases[i].text), &reply);
        if (reply.verdict != verdict_cases[i].verdict)
            fail_msg("%s: verdict %d, %s", verdict_cases[i].text, (int)reply.verdict, reply.reason);
        if (reply.verdict == AUTH_DROP_FIELD) {
            assert_string_equal(reply.field, verdict_cases[i].detail);
        } else {
            assert_null(reply.field);
        }
        if (reply.verdict == AUTH_ACCEPTED) {
            assert_string_equal(reply.success.agent_id, "a");
        } else if (reply.verdict != AUTH_DROP_FIELD && verdict_cases[i].detail &&
                   !strstr(reply.reason, verdict_cases[i].detail)) {
            fail_msg("%s: %s", verdict_cases[i].text, reply.reason);
        }
        auth_reply_done(&reply);
        auth_reply_done(&reply);
    }
}

/* A known code takes precedence over the text; with an unknown one the text decides. */
static void test_codes(void **state)
{
    static const struct {
        const struct auth_attempt *attempt;
        const char *text;
        enum auth_verdict verdict;
        const char *detail; /* part of the reason */
    } cases[] = {
        {&both,                                       CODED("token_invalid",                    "reworded"),                                                                                   AUTH_USE_REGISTRATION,"reworded"},
        {&both,                                           CODED("token_expired",                                                                               "reworded"),                                                                                                             AUTH_USE_REGISTRATION,"reworded"},
        {&both,                                 CODED("token_used_up",                                                                         "reworded"),                                                                                                                                                                  AUTH_USE_REGISTRATION,                                                                                          "reworded"},
        {&both,                      CODED("token_revoked",                                                    "reworded"),AUTH_USE_REGISTRATION,"reworded"},
        {&both,                                CODED("token_of_other_engine","reworded"),                                                                                                    AUTH_USE_REGISTRATION,                                                                                                                                                                                                                  "reworded"},
        {&permanent,CODED("token_of_other_engine",             "reworded"),AUTH_REFUSED,
         "reworded: the token belongs to another engine"},
        {&registration,                                  CODED("token_used_up",                                                               "reworded"),                                                                                                                                     AUTH_REFUSED,
         "reworded: create a new registration token"},
        {&both,                                           CODED("engine_registered",                                                                       "a token, timeout"),                                                                                                              AUTH_REFUSED,
         "token create --replace HOST"},
        {&both, CODED("host_name_taken",                                         "a token, timeout"),                                                                                                                                  AUTH_REFUSED,"no other host has"},
        {&both,                               CODED("agent_name_required",                                                         "reworded"),                                                                                                                                                      AUTH_REFUSED,"set AGENT_NAME"},
        {&both,                        CODED("too_many_agents",            "a token, timeout"),AUTH_REFUSED,"a token, timeout"},
        {&both,CODED("timeout","reworded"),AUTH_FAILED,"reworded"},
        {&both,                                       CODED("busy",                                 "reworded"),                                                                                                AUTH_FAILED,"reworded"},
        {&both,                                           CODED("internal_error",                                                                               "reworded"),                                                                                                                                                                            AUTH_FAILED, "reworded"},
        {&both,                                 CODED("of_the_future",                                                                         "Invalid registration token"),                                                                                                                                                                  AUTH_USE_REGISTRATION,
         "Invalid"},
        {&both,                                "{\"type\":\"auth_error\",\"error\":\"Authentication timeout\",\"code\":7}",
         AUTH_FAILED,                                                            "timeout"},
        {&both,                                "{\"type\":\"auth_error\",\"code\":\"token_invalid\"}",AUTH_USE_REGISTRATION,
         "no reason given"},
        {&both,REFUSAL("server busy"),AUTH_REFUSED,"server busy"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct auth_reply reply;

        auth_reply_judge(cases[i].attempt, cases[i].text, strlen(cases[i].text), &reply);
        if (reply.verdict != cases[i].verdict || !strstr(reply.reason, cases[i].detail))
            fail_msg("%s: verdict %d, %s", cases[i].text, (int)reply.verdict, reply.reason);
        auth_reply_done(&reply);
    }
}

/* A server that refuses a field that was not sent must not cause an endless series of attempts. */
static void test_field_is_dropped_only_once(void **state)
{
    static const char text[] = EXTRA("agent_os");
    struct strings dropped = {0};
    struct auth_attempt attempt = {.dropped = &dropped};
    struct auth_reply reply;

    (void)state;
    auth_reply_judge(&attempt, text, strlen(text), &reply);
    assert_int_equal(reply.verdict, AUTH_DROP_FIELD);
    auth_reply_done(&reply);

    strings_add(&dropped, "agent_os");
    auth_reply_judge(&attempt, text, strlen(text), &reply);
    assert_int_equal(reply.verdict, AUTH_REFUSED);
    auth_reply_done(&reply);
    strings_done(&dropped);
}

/* A server that gives advice of its own, as ours does: the agent adds none. */
static void test_advice_is_given_once(void **state)
{
    static const char text[] = CODED(
        "engine_registered", TEXT_ENGINE_REGISTERED
        ". This host is known as `vm`. If its data directory was lost: run `dockmon token "
        "create --replace vm`, and start the agent with that token. If it is a clone of that "
        "host: delete /var/lib/docker/engine-id here, or set a unique AGENT_NAME.");
    struct auth_reply reply;

    (void)state;
    auth_reply_judge(&registration, text, strlen(text), &reply);
    assert_int_equal(reply.verdict, AUTH_REFUSED);
    assert_true(str_starts_with(reply.reason, TEXT_ENGINE_REGISTERED));
    assert_null(strstr(strstr(reply.reason, "engine-id") + 1, "engine-id"));
    assert_true(str_ends_with(reply.reason, "AGENT_NAME."));
    auth_reply_done(&reply);
}

static void test_extras(void **state)
{
    static const char text[] =
        "{\"type\":\"auth_success\",\"agent_id\":\"a\",\"host_id\":\"h\",\"permanent_token\":\"p\","
        "\"capabilities\":{\"inventory\":true,\"event_replay\":false},\"events_since\":1700000000000000001}";
    struct auth_reply reply;

    (void)state;
    auth_reply_judge(&permanent, text, strlen(text), &reply);
    assert_int_equal(reply.verdict, AUTH_ACCEPTED);
    assert_true(msg_auth_success_can(&reply.success, "inventory"));
    assert_false(msg_auth_success_can(&reply.success, "event_replay"));
    assert_true(reply.success.events_since == INT64_C(1700000000000000001));
    assert_string_equal(reply.success.permanent_token, "p");
    auth_reply_done(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_field_is_dropped_only_once),
        cmocka_unit_test(test_advice_is_given_once),
        cmocka_unit_test(test_extras),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
