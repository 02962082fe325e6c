/*
 * Tests beside the vectors: encoding of commands and replies, envelopes, the fallback of register.
 */

#include "base/str.h"
#include "proto/auth.h"
#include "proto/envelope.h"
#include "proto/json_text.h"
#include "proto/register.h"
#include "proto/reply.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1762074000123)

static json_t *parse(const char *text)
{
    json_t *v = json_text_parse(text, strlen(text), 0, NULL);

    assert_non_null(v);
    return v;
}

static void assert_json(const json_t *v, const char *text)
{
    json_auto_t *want = parse(text);
    _cleanup_free_ char *got = json_text_write(v, NULL);

    if (!json_equal(v, want))
        fail_msg("got %s", got);
}

static void test_command_encode(void **state)
{
    struct command_args args = COMMAND_ARGS_INIT;
    json_auto_t *payload = NULL;
    json_auto_t *operation = NULL;
    json_auto_t *command = NULL;

    (void)state;
    args.container_id = (char *)(uintptr_t) "web";
    args.timeout_s = 3;
    payload = command_args_encode(&args);
    assert_json(payload, "{\"container_id\":\"web\",\"timeout\":3}");

    operation = msg_command_encode(COMMAND_KIND_OPERATION, "i", "stop", payload);
    assert_json(operation,
                "{\"type\":\"container_operation\",\"id\":\"i\",\"correlation_id\":\"i\","
                "\"payload\":{\"container_id\":\"web\",\"timeout\":3,"
                "\"action\":\"stop\",\"correlation_id\":\"i\"}}");
    assert_json(payload, "{\"container_id\":\"web\",\"timeout\":3}"); /* unchanged */

    command = msg_command_encode(COMMAND_KIND_COMMAND, "i", "list_containers", NULL);
    assert_json(command, "{\"type\":\"command\",\"id\":\"i\",\"correlation_id\":\"i\","
                         "\"command\":\"list_containers\",\"payload\":{}}");
}

static void test_command_args_default_is_empty(void **state)
{
    struct command_args args = COMMAND_ARGS_INIT;
    json_auto_t *payload = command_args_encode(&args);

    (void)state;
    assert_json(payload, "{}");
}

static void test_command_round_trip(void **state)
{
    struct command_args args = {.tail = 0, .timeout_s = -1, .force = true, .volumes = true};
    json_auto_t *payload = command_args_encode(&args);
    json_auto_t *message = msg_command_encode(COMMAND_KIND_OPERATION, "i", "remove", payload);
    struct msg_command m;

    (void)state;
    assert_int_equal(msg_command_decode(message, &m, NULL), 0);
    assert_int_equal(m.args.tail, 0);
    assert_int_equal(m.args.timeout_s, -1);
    assert_true(m.args.force && m.args.volumes);
    assert_string_equal(m.id, "i");
    msg_command_done(&m);
}

static void test_reply_encode(void **state)
{
    json_auto_t *fields = parse("{\"status\":\"started\",\"correlation_id\":\"forged\"}");
    json_auto_t *operation = msg_reply_encode(COMMAND_KIND_OPERATION, "i", json_incref(fields),
                                              NOW_MS);
    json_auto_t *bare = msg_reply_encode(COMMAND_KIND_OPERATION, NULL, NULL, NOW_MS);
    json_auto_t *command = msg_reply_encode(COMMAND_KIND_COMMAND, "i", json_array(), NOW_MS);

    (void)state;
    assert_json(operation, "{\"correlation_id\":\"i\",\"success\":true,\"status\":\"started\"}");
    assert_json(bare, "{\"correlation_id\":\"\",\"success\":true}");
    assert_json(command, "{\"type\":\"response\",\"id\":\"i\",\"payload\":[],"
                         "\"timestamp\":\"2025-11-02T09:00:00.123Z\"}");
}

static void test_reply_encode_error(void **state)
{
    const struct reply_error docker = {"gone", REPLY_ERROR_DOCKER, 404, CODE_NO_SUCH_CONTAINER};
    const struct reply_error silent = {.text = NULL};
    json_auto_t *a = msg_reply_encode_error(COMMAND_KIND_OPERATION, "i", &docker, NOW_MS);
    json_auto_t *b = msg_reply_encode_error(COMMAND_KIND_OPERATION, "i", &silent, NOW_MS);
    json_auto_t *c = msg_reply_encode_error(COMMAND_KIND_COMMAND, "i", &silent, NOW_MS);

    (void)state;
    assert_json(a, "{\"correlation_id\":\"i\",\"success\":false,\"error\":\"gone\","
                   "\"error_type\":\"docker_error\",\"status\":404,"
                   "\"code\":\"no_such_container\"}");
    assert_json(b, "{\"correlation_id\":\"i\",\"success\":false,\"error\":\"unknown error\"}");
    assert_json(c, "{\"type\":\"response\",\"id\":\"i\",\"error\":\"unknown error\","
                   "\"timestamp\":\"2025-11-02T09:00:00.123Z\"}");
}

static void test_envelopes(void **state)
{
    static const struct {
        const char *text, *type, *event;
        bool is_reply;
    } cases[] = {
        {"{\"type\":\"event\",\"command\":\"container_event\",\"payload\":{}}", "event",
         "container_event",                                                                     false},
        {"{\"type\":\"response\",\"id\":\"i\"}",                                "response", "", true },
        {"{\"type\":\"response\"}",                                             "response", "", false},
        {"{\"correlation_id\":\"i\",\"success\":true}",                         "",         "", true },
        {"{\"type\":7}",                                                        "",         "", false},
        {"[]",                                                                  "",         "", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_auto_t *v = parse(cases[i].text);

        assert_string_equal(envelope_type(v), cases[i].type);
        assert_string_equal(envelope_event_name(v), cases[i].event);
        assert_int_equal(envelope_is_reply(v), cases[i].is_reply);
    }
}

static void test_event_envelope(void **state)
{
    json_auto_t *v = envelope_event("container_event", json_object(), NOW_MS);

    (void)state;
    assert_json(v, "{\"type\":\"event\",\"command\":\"container_event\",\"payload\":{},"
                   "\"timestamp\":\"2025-11-02T09:00:00.123Z\"}");
    assert_true(json_is_object(envelope_payload(v)));
}

static void test_register_fallback(void **state)
{
    static const struct {
        const char *error, *field;
    } cases[] = {
        {"Invalid registration data: Extra inputs are not permitted (field: agent_os)",     "agent_os"},
        {"Invalid registration data: Extra inputs are not permitted (field: host_ips)",     "host_ips"},
        {"Invalid registration data: Extra inputs are not permitted (field: token)",        NULL      },
        {"Invalid registration data: Extra inputs are not permitted (field: something)",    NULL      },
        {"Invalid registration data: Extra inputs are not permitted (field: agent_os",      NULL      },
        {"Invalid registration data: Input should be greater than 0 (field: total_memory)", NULL      },
        {NULL,                                                                              NULL      },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *field = msg_register_refused_field(cases[i].error);

        assert_true(str_eq(field, cases[i].field));
    }
}

static void test_register_leaves_out(void **state)
{
    json_auto_t *full = parse("{\"type\":\"register\",\"token\":\"t\",\"engine_id\":\"e\","
                              "\"version\":\"1\",\"proto_version\":\"1.0\",\"capabilities\":{},"
                              "\"agent_os\":\"linux\",\"agent_arch\":\"amd64\"}");
    const char *const leave_out[] = {"agent_os", "host_ip", NULL};
    struct msg_register m = {0};
    json_auto_t *v = NULL;

    (void)state;
    assert_int_equal(msg_register_decode(full, &m, NULL), 0);
    v = msg_register_encode(&m, leave_out);
    assert_null(json_object_get(v, "agent_os"));
    assert_string_equal(json_text_get(v, "agent_arch"), "amd64");
    assert_string_equal(json_text_get(v, "type"), "register");
    msg_register_done(&m);
}

static void test_auth_capabilities(void **state)
{
    json_auto_t *caps = parse("{\"inventory\":true,\"event_replay\":false}");
    const struct msg_auth_success m = {.capabilities = caps};
    const struct msg_auth_success none = {0};

    (void)state;
    assert_true(msg_auth_success_can(&m, "inventory"));
    assert_false(msg_auth_success_can(&m, "event_replay"));
    assert_false(msg_auth_success_can(&m, "other"));
    assert_false(msg_auth_success_can(&none, "inventory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command_encode),
        cmocka_unit_test(test_command_args_default_is_empty),
        cmocka_unit_test(test_command_round_trip),
        cmocka_unit_test(test_reply_encode),
        cmocka_unit_test(test_reply_encode_error),
        cmocka_unit_test(test_envelopes),
        cmocka_unit_test(test_event_envelope),
        cmocka_unit_test(test_register_fallback),
        cmocka_unit_test(test_register_leaves_out),
        cmocka_unit_test(test_auth_capabilities),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
