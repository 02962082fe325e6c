#include "server/command/command.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/str.h"
#include "server/common/fake_net.h"

struct sent {
    char agent_id[16];
    json_t *message;
};

static struct sent sent[128];
static size_t n_sent;
static int send_code;

struct outcome {
    unsigned n_calls;
    int code;
    char message[256];
    enum error_code reason;
    int engine_status;
    json_t *reply, *result;
    struct commands *again; /* not NULL: `done` starts another command */
};

static int fake_send(_unused_ void *owner, const char *agent_id, const char *text, size_t size)
{
    if (send_code < 0)
        return send_code;
    assert_true(n_sent < ARRAY_LEN(sent));
    str_copy(sent[n_sent].agent_id, sizeof(sent[n_sent].agent_id), agent_id);
    sent[n_sent].message = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(sent[n_sent].message);
    n_sent++;
    return 0;
}

static void on_done(void *owner, const struct command_result *r)
{
    struct outcome *o = owner;
    struct commands *again = o->again;

    o->n_calls++;
    o->code = r->code;
    assert_non_null(r->message);
    str_copy(o->message, sizeof(o->message), r->message);
    o->reason = r->reason;
    o->engine_status = r->engine_status;
    json_decref(o->reply);
    json_decref(o->result);
    o->reply = json_deep_copy(r->reply);
    o->result = json_deep_copy(r->result);
    if (again) {
        o->again = NULL;
        command_start(again, &(struct command_request){.agent_id = "a",
                                                       .operation = OPERATION_PING,
                                                       .timeout_ms = 10,
                                                       .done = on_done,
                                                       .owner = o});
    }
}

static void outcome_done(struct outcome *o)
{
    json_decref(o->reply);
    json_decref(o->result);
}

static void start_operation(struct commands *cs, const char *agent_id, struct outcome *o)
{
    command_start(cs, &(struct command_request){
                          .agent_id = agent_id,
                          .operation = OPERATION_STOP,
                          .payload = json_pack("{s:s, s:i}", "container_id", "abc", "timeout", 7),
                          .timeout_ms = 1000,
                          .done = on_done,
                          .owner = o,
                      });
}

static const char *get_id(size_t i)
{
    return json_string_value(json_object_get(sent[i].message, "id"));
}

static bool reply_json(struct commands *cs, const char *agent_id, json_t *message)
{
    bool was_wanted = commands_on_reply(cs, agent_id, message);

    json_decref(message);
    return was_wanted;
}

static bool reply_ok(struct commands *cs, const char *agent_id, const char *id)
{
    return reply_json(
        cs, agent_id,
        json_pack("{s:s, s:b, s:s}", "correlation_id", id, "success", 1, "status", "stopped"));
}

static int setup(void **state)
{
    n_sent = 0;
    send_code = 0;
    *state = commands_new(NULL, fake_send, NULL);
    return 0;
}

static int teardown(void **state)
{
    commands_free(*state);
    for (size_t i = 0; i < n_sent; i++)
        json_decref(sent[i].message);
    return fake_timers_running() == 0 ? 0 : -1;
}

static void test_command_is_encoded(void **state)
{
    struct outcome o = {0};
    const json_t *m, *payload;

    start_operation(*state, "a", &o);
    m = sent[0].message;
    payload = json_object_get(m, "payload");
    assert_string_equal(sent[0].agent_id, "a");
    assert_string_equal(json_string_value(json_object_get(m, "type")), "container_operation");
    assert_int_equal(strlen(get_id(0)), 36);
    assert_string_equal(json_string_value(json_object_get(m, "correlation_id")), get_id(0));
    assert_string_equal(json_string_value(json_object_get(payload, "correlation_id")), get_id(0));
    assert_string_equal(json_string_value(json_object_get(payload, "action")), "stop");
    assert_string_equal(json_string_value(json_object_get(payload, "container_id")), "abc");
    assert_true(json_is_integer(json_object_get(payload, "timeout")));
    assert_true(reply_ok(*state, "a", get_id(0)));

    command_start(*state, &(struct command_request){.agent_id = "a",
                                                    .operation = OPERATION_LIST_CONTAINERS,
                                                    .timeout_ms = 10,
                                                    .done = on_done,
                                                    .owner = &o});
    m = sent[1].message;
    assert_string_equal(json_string_value(json_object_get(m, "type")), "command");
    assert_string_equal(json_string_value(json_object_get(m, "command")), "list_containers");
    assert_true(json_is_object(json_object_get(m, "payload")));
    assert_string_not_equal(get_id(0), get_id(1));
    assert_true(
        reply_json(*state, "a",
                   json_pack("{s:s, s:s, s:[]}", "type", "response", "id", get_id(1), "payload")));
    outcome_done(&o);
}

static void test_reply_completes_its_command(void **state)
{
    struct outcome a = {0}, b = {0};

    start_operation(*state, "a", &a);
    start_operation(*state, "a", &b);
    assert_int_equal(a.n_calls, 0);

    /* Each reply completes its own command, in any order. */
    assert_true(reply_ok(*state, "a", get_id(1)));
    assert_int_equal(a.n_calls, 0);
    assert_int_equal(b.n_calls, 1);
    assert_int_equal(b.code, 0);
    assert_string_equal(json_string_value(json_object_get(b.result, "status")), "stopped");
    assert_string_equal(b.message, "");
    assert_true(reply_ok(*state, "a", get_id(0)));
    assert_int_equal(a.n_calls, 1);

    /* A duplicate, and a reply that no command waits for. */
    assert_false(reply_ok(*state, "a", get_id(0)));
    assert_false(reply_ok(*state, "a", "7c9e6679-7425-40de-944b-e07fc1f90ae7"));
    assert_false(reply_json(*state, "a", json_pack("{s:b}", "success", 1)));
    assert_int_equal(a.n_calls + b.n_calls, 2);
    outcome_done(&a);
    outcome_done(&b);
}

static void test_reply_of_another_agent_is_ignored(void **state)
{
    struct outcome o = {0};

    start_operation(*state, "a", &o);
    assert_false(reply_ok(*state, "b", get_id(0)));
    assert_int_equal(o.n_calls, 0);
    assert_true(reply_ok(*state, "a", get_id(0)));
    assert_int_equal(o.code, 0);
    outcome_done(&o);
}

static void test_failures_have_a_code_and_a_reason(void **state)
{
    static const struct {
        const char *reply; /* without the id, which is added */
        int code, engine_status;
        enum error_code reason;
        const char *message;
    } table[] = {
        {"{'success':false,'error':'it broke'}",                                         -EREMOTEIO, 0,   CODE_ENGINE_ERROR,      "it broke"   },
        {"{'success':false,'error':'gone','error_type':'docker_error','status':404}",    -EREMOTEIO,
         404,                                                                                             CODE_NOT_FOUND,         "gone"       },
        {"{'success':false,'error':'policy','error_type':'permission_denied'}",          -EACCES,    0,
         CODE_POLICY_DENIED,                                                                                                      "policy"     },
        {"{'success':false,'error':'unknown action: stop'}",                             -ENOSYS,    0,   CODE_UNKNOWN_OPERATION,
         "unknown action: stop"                                                                                                                },
        {"{'type':'response','error':'unknown command: ping'}",                          -ENOSYS,    0,   CODE_UNKNOWN_OPERATION,
         "unknown command: ping"                                                                                                               },
        {"{'success':false,'error':'No such image: x'}",                                 -EREMOTEIO, 404, CODE_NO_SUCH_IMAGE,
         "No such image: x"                                                                                                                    },
        {"{'success':false,'error':'reworded','code':'container_paused','status':409}",  -EREMOTEIO,
         409,                                                                                             CODE_CONTAINER_PAUSED,  "reworded"   },
        {"{'success':false,'error':'reworded','code':'policy_denied'}",                  -EACCES,    0,
         CODE_POLICY_DENIED,                                                                                                      "reworded"   },
        {"{'success':false,'error':'reworded','code':'unknown_operation'}",              -ENOSYS,    0,
         CODE_UNKNOWN_OPERATION,                                                                                                  "reworded"   },
        {"{'success':false,'error':'x is paused','code':'newer_than_us'}",               -EREMOTEIO, 409,
         CODE_CONTAINER_PAUSED,                                                                                                   "x is paused"},
        {"{'success':false,'error':'reworded','code':'permission_denied','status':403}", -EREMOTEIO,
         403,                                                                                             CODE_ENGINE_REFUSED,    "reworded"   },
        {"{'success':false,'error':'reworded','code':'engine_refused','status':405}",    -EREMOTEIO,
         405,                                                                                             CODE_ENGINE_REFUSED,    "reworded"   },
        {"{'hello':1}",                                                                  -EPROTO,    0,   CODE_BAD_REPLY,         NULL         },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct outcome o = {0};
        char *text = strdup(table[i].reply);
        json_t *reply;

        for (char *p = strchr(text, '\''); p; p = strchr(p, '\''))
            *p = '"';
        reply = json_loads(text, 0, NULL);
        free(text);
        start_operation(*state, "a", &o);
        json_object_set_new(reply, "correlation_id", json_string(get_id(n_sent - 1)));
        assert_true(reply_json(*state, "a", reply));
        assert_int_equal(o.n_calls, 1);
        assert_int_equal(o.code, table[i].code);
        assert_int_equal(o.engine_status, table[i].engine_status);
        assert_int_equal(o.reason, table[i].reason);
        assert_null(o.reply);
        assert_null(o.result);
        assert_string_not_equal(o.message, "");
        if (table[i].message)
            assert_non_null(strstr(o.message, table[i].message));
        outcome_done(&o);
    }
}

static void test_response_has_its_payload_as_result(void **state)
{
    struct outcome o = {0};

    start_operation(*state, "a", &o);
    assert_true(reply_json(
        *state, "a",
        json_pack("{s:s, s:s, s:[i,i]}", "type", "response", "id", get_id(0), "payload", 1, 2)));
    assert_int_equal(o.code, 0);
    assert_int_equal(json_array_size(o.result), 2);
    outcome_done(&o);
}

static void test_command_fails_at_its_timeout(void **state)
{
    struct outcome o = {0};

    start_operation(*state, "a", &o);
    fake_advance(999);
    assert_int_equal(o.n_calls, 0);
    fake_advance(1);
    assert_int_equal(o.n_calls, 1);
    assert_int_equal(o.code, -ETIMEDOUT);
    assert_int_equal(o.reason, CODE_TIMEOUT);
    assert_non_null(strstr(o.message, "timeout"));
    assert_false(reply_ok(*state, "a", get_id(0)));
    assert_int_equal(o.n_calls, 1);
}

static void test_refused_command_fails_after_start(void **state)
{
    static const int codes[] = {-ENOTCONN, -ENOBUFS};

    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        struct outcome o = {0};

        send_code = codes[i];
        start_operation(*state, "a", &o);
        assert_int_equal(o.n_calls, 0); /* never before command_start() has returned */
        fake_advance(0);
        assert_int_equal(o.n_calls, 1);
        assert_int_equal(o.code, codes[i]);
    }
}

static void test_disconnect_fails_commands_of_the_agent(void **state)
{
    struct outcome a1 = {.again = *state}, a2 = {0}, b = {0};

    start_operation(*state, "a", &a1);
    start_operation(*state, "a", &a2);
    start_operation(*state, "b", &b);
    commands_fail_agent(*state, "a", "the agent disconnected");

    /* The command that the first `done` has started does not fail. */
    assert_int_equal(a1.n_calls, 1);
    assert_int_equal(a1.code, -ENOTCONN);
    assert_string_equal(a2.message, "the agent disconnected");
    assert_int_equal(a2.n_calls, 1);
    assert_int_equal(b.n_calls, 0);
    fake_advance(10);
    assert_int_equal(a1.n_calls, 2);
    assert_int_equal(a1.code, -ETIMEDOUT);
    assert_true(reply_ok(*state, "b", get_id(2)));
    outcome_done(&b);
    commands_fail_agent(*state, "nobody", "x");
}

static void test_number_of_awaited_replies_is_limited(void **state)
{
    struct outcome o[COMMANDS_MAX_AWAITED + 1] = {0}, other = {0};

    for (size_t i = 0; i < ARRAY_LEN(o); i++)
        start_operation(*state, "a", &o[i]);
    start_operation(*state, "b", &other);
    assert_int_equal(n_sent, COMMANDS_MAX_AWAITED + 1);
    fake_advance(0);
    assert_int_equal(o[COMMANDS_MAX_AWAITED].n_calls, 1);
    assert_int_equal(o[COMMANDS_MAX_AWAITED].code, -ENOBUFS);
    assert_int_equal(o[0].n_calls, 0);

    /* One command has ended, so that another one may be sent. */
    assert_true(reply_ok(*state, "a", get_id(0)));
    outcome_done(&o[0]);
    o[0] = (struct outcome){0};
    start_operation(*state, "a", &o[0]);
    assert_int_equal(n_sent, COMMANDS_MAX_AWAITED + 2);
    commands_fail_agent(*state, "a", "x");
    assert_int_equal(o[0].n_calls, 1);
    commands_fail_agent(*state, "b", "x");
    assert_int_equal(other.n_calls, 1);
}

static void test_free_fails_pending_commands(_unused_ void **state)
{
    struct commands *cs = commands_new(NULL, fake_send, NULL);
    struct outcome o = {0};

    start_operation(cs, "a", &o);
    commands_free(cs);
    assert_int_equal(o.n_calls, 1);
    assert_int_equal(o.code, -ENOTCONN);
}

static void start_read(struct commands *cs, uint64_t timeout_ms, struct outcome *o)
{
    command_start(cs, &(struct command_request){
                          .agent_id = "a",
                          .operation = OPERATION_INSPECT,
                          .payload = json_pack("{s:s}", "container_id", "abc"),
                          .timeout_ms = timeout_ms,
                          .may_retry = true,
                          .done = on_done,
                          .owner = o,
                      });
}

static void test_read_is_tried_again_when_the_connection_ended(void **state)
{
    struct outcome o = {0};

    start_read(*state, 30000, &o);
    commands_fail_agent(*state, "a", "x");
    fake_advance(499);
    assert_int_equal(n_sent, 1);
    fake_advance(1001);
    assert_int_equal(n_sent, 2);
    assert_string_equal(get_id(0), get_id(1));
    commands_fail_agent(*state, "a", "x");
    fake_advance(3000);
    assert_int_equal(n_sent, 3);
    assert_int_equal(o.n_calls, 0);
    assert_true(reply_ok(*state, "a", get_id(2)));
    assert_int_equal(o.n_calls, 1);
    assert_int_equal(o.code, 0);
    outcome_done(&o);

    o = (struct outcome){0};
    start_read(*state, 30000, &o);
    for (size_t i = 0; i < 2; i++) {
        commands_fail_agent(*state, "a", "x");
        fake_advance(3000);
    }
    commands_fail_agent(*state, "a", "the third time");
    assert_int_equal(n_sent, 6);
    assert_int_equal(o.code, -ENOTCONN);
    assert_string_equal(o.message, "the third time");
}

static void test_no_retry(void **state)
{
    struct outcome o = {0};

    start_operation(*state, "a", &o); /* changes something */
    commands_fail_agent(*state, "a", "x");
    assert_int_equal(o.n_calls, 1);

    o = (struct outcome){0};
    start_read(*state, 499, &o); /* not within its time */
    commands_fail_agent(*state, "a", "x");
    assert_int_equal(o.n_calls, 1);

    o = (struct outcome){0};
    start_read(*state, 30000, &o); /* offline */
    commands_fail_agent(*state, "a", "x");
    send_code = -ENOTCONN;
    fake_advance(1500);
    assert_int_equal(o.n_calls, 1);
    assert_int_equal(o.code, -ENOTCONN);
    assert_int_equal(n_sent, 3);
}

static unsigned n_opened, n_closed;

static void on_circuit(void *owner _unused_, const char *agent_id, bool is_open, const char *why)
{
    assert_string_equal(agent_id, "a");
    assert_non_null(why);
    n_opened += is_open;
    n_closed += !is_open;
}

static void test_breaker(void **state)
{
    struct outcome o[6] = {0};

    n_opened = n_closed = 0;
    commands_on_circuit(*state, on_circuit);

    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(commands_circuit(*state, "a"), "closed");
        start_operation(*state, "a", &o[i]);
        fake_advance(1000);
        assert_int_equal(o[i].code, -ETIMEDOUT);
    }
    assert_string_equal(commands_circuit(*state, "a"), "open");
    start_operation(*state, "a", &o[5]);
    assert_int_equal(o[5].n_calls, 0);
    fake_advance(0);
    assert_int_equal(o[5].code, -ECONNREFUSED);
    assert_int_equal(o[5].reason, CODE_CIRCUIT_OPEN);
    assert_int_equal(n_sent, 5);

    o[0] = (struct outcome){0};
    start_operation(*state, "b", &o[0]); /* another agent */
    assert_int_equal(n_sent, 6);
    assert_true(reply_ok(*state, "b", get_id(5)));
    outcome_done(&o[0]);

    assert_int_equal(n_opened, 1);
    commands_fail_agent(*state, "a", "x"); /* a new connection begins closed */
    assert_string_equal(commands_circuit(*state, "a"), "closed");
    assert_int_equal(n_closed, 1);
    commands_fail_agent(*state, "a", "x");
    assert_int_equal(n_closed, 1);
}

/* Refusals of the engine, of the host's policy and of an agent that is too old are answers. */
static void test_refusals_do_not_open_the_breaker(void **state)
{
    static const struct {
        const char *text, *code;
        enum error_code reason;
    } refusals[] = {
        {"No such container: abc",    "no_such_container", CODE_NO_SUCH_CONTAINER},
        {"the policy allows no stop", "policy_denied",     CODE_POLICY_DENIED    },
        {"unknown action: stop",      "unknown_operation", CODE_UNKNOWN_OPERATION},
    };

    for (size_t i = 0; i < 10 * ARRAY_LEN(refusals); i++) {
        struct outcome o = {0};

        start_operation(*state, "a", &o);
        assert_true(
            reply_json(*state, "a",
                       json_pack("{s:s, s:b, s:s, s:s}", "correlation_id", get_id(i), "success", 0,
                                 "error", refusals[i / 10].text, "code", refusals[i / 10].code)));
        assert_int_equal(o.n_calls, 1);
        assert_int_equal(o.reason, refusals[i / 10].reason);
        assert_string_equal(commands_circuit(*state, "a"), "closed");
        outcome_done(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_command_is_encoded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reply_completes_its_command, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reply_of_another_agent_is_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_have_a_code_and_a_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(test_response_has_its_payload_as_result, setup, teardown),
        cmocka_unit_test_setup_teardown(test_command_fails_at_its_timeout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_command_fails_after_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_disconnect_fails_commands_of_the_agent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_number_of_awaited_replies_is_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(test_free_fails_pending_commands, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_is_tried_again_when_the_connection_ended, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_no_retry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_breaker, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals_do_not_open_the_breaker, setup, teardown),
    };

    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
