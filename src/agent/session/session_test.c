#include "agent/commands/commands.h"
#include "agent/session/session.h"
#include "agent/session/session_fixture.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OPERATION(id, fields) \
    "{\"type\":\"container_operation\",\"id\":\"" id "\",\"payload\":{" fields "}}"
#define NO_REF    "container_id is neither an id nor a name of a container"
#define BAD_SINCE "since: \"soon\" is neither RFC 3339 nor unix seconds"

/* Requests that are refused at once, and the begin of the refusal. */
static const struct {
    const char *id, *request, *error;
} refusals[] = {
    {.id = "1",
     .request = "{\"type\":\"command\",\"command\":\"nope\",\"id\":\"1\"}",
     .error = "unknown command: nope"                                                                   },
    {.id = "2",                                          .request = OPERATION("2", "\"action\":\"fly\""), .error = "unknown action: fly"},
    {.id = "3",
     .request = OPERATION("3",                                                                  "\"action\":\"start\""),
     .error = "container_id is required"},
    {.id = "4",
     .request = OPERATION("4",                                        "\"action\":\"start\",\"container_id\":\"../x\""),
     .error = NO_REF},
    {.id = "5",
     .request = OPERATION("5",                                                              "\"action\":\"rename\",\"container_id\":\"x\""),
     .error = "new_name is required"},
    {.id = "6",
     .request = OPERATION("6","\"action\":\"rename\",\"container_id\":\"x\",\"new_name\":\"a/b\""),
     .error = "new_name is not a valid container name"},
    {.id = "7",
     .request = OPERATION("7",                                                     "\"action\":\"get_logs\",\"container_id\":\"x\",\"since\":\"soon\""),
     .error = BAD_SINCE},
    {.id = "8",
     .request = OPERATION("8",                                                                  "\"action\":\"start\",\"container_id\":7"),
     .error = "start: "},
    {.id = "9",
     .request = "{\"type\":\"container_operation\",\"id\":\"9\",\"payload\":[]}",
     .error = "Field required"                                                                     },
};

static void test_invalid_requests_are_refused(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, NULL, 0);
    open_session(&f, (struct session_options){0});
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        say(&f, refusals[i].request);
        wait_sent(&f, i + 1);
        assert_string_equal(text_of(f.sent[i], i == 0 ? "id" : "correlation_id"), refusals[i].id);
        if (!str_starts_with(text_of(f.sent[i], "error"), refusals[i].error))
            fail_msg("%s: %s", refusals[i].request, text_of(f.sent[i], "error"));
    }
    say(&f, "{\"type\":\"shell_session\",\"payload\":{}}");
    say(&f, "no JSON");
    say(&f, "[]");
    assert_int_equal(f.n_sent, ARRAY_LEN(refusals));
    tear_down(&f);
}

/*
 * Commands of DockMon's servers about stacks and updates of the agent. Errors would count as failures
 * of the agent.
 */
static void test_unsupported_commands_are_refused(void **state)
{
    static const struct {
        const char *command, *payload;
        const char *error;  /* of the reply; NULL: none */
        const char *status; /* of its payload; NULL: none */
        const char *event;  /* that follows; NULL: none */
    } cases[] = {
        {"scan_compose_dirs", "{\"paths\":null}",              NULL, NULL,                 NULL                 },
        {"read_compose_file", "{\"path\":\"/opt/c.yaml\"}",    NULL, NULL,                 NULL                 },
        {"deploy_compose",    "{\"deployment_id\":\"h:s:1\"}", NULL, "deployment_started",
         "deploy_complete"                                                                                      },
        {"self_update",       "{\"version\":\"1.1.2\"}",       NULL, "refused",            "selfupdate_progress"},
    };
    struct fixture f;

    (void)state;
    set_up(&f, NULL, 0);
    open_session(&f, (struct session_options){0});
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *request = xasprintf(
            "{\"type\":\"command\",\"command\":\"%s\",\"id\":\"7\",\"payload\":%s}",
            cases[i].command, cases[i].payload);
        const json_t *reply, *payload, *end;

        forget_sent(&f);
        say(&f, request);
        assert_int_equal(f.n_sent, cases[i].event ? 2 : 1);
        reply = f.sent[0];
        payload = json_object_get(reply, "payload");
        assert_string_equal(text_of(reply, "type"), "response");
        assert_string_equal(text_of(reply, "id"), "7");
        assert_true(!payload == !!cases[i].error);
        if (cases[i].error) {
            assert_non_null(strstr(text_of(reply, "error"), cases[i].error));
        } else {
            assert_null(json_object_get(reply, "error"));
        }
        assert_string_equal(text_of(payload, "status"), cases[i].status ? cases[i].status : "");
        if (!cases[i].error && !cases[i].event) {
            assert_true(json_is_false(json_object_get(payload, "success")));
            assert_non_null(strstr(text_of(payload, "error"), "does not manage stacks"));
        }
        if (!cases[i].event)
            continue;
        end = json_object_get(f.sent[1], "payload");
        assert_string_equal(text_of(f.sent[1], "command"), cases[i].event);
        assert_non_null(strstr(text_of(end, "error"), "dockmon-agent " DOCKMON_VERSION));
    }
    forget_sent(&f);
    say(&f, "{\"type\":\"command\",\"command\":\"scan_compose_dirs\",\"id\":\"1\"}");
    assert_int_equal(
        json_array_size(json_object_get(json_object_get(f.sent[0], "payload"), "compose_files")),
        0);
    say(&f, "{\"type\":\"command\",\"command\":\"read_compose_file\",\"id\":\"2\",\"payload\":{"
            "\"path\":\"/opt/c.yaml\"}}");
    assert_string_equal(text_of(json_object_get(f.sent[1], "payload"), "path"), "/opt/c.yaml");
    say(&f, "{\"type\":\"command\",\"command\":\"deploy_compose\",\"id\":\"3\",\"payload\":{"
            "\"deployment_id\":\"h:s:1\",\"action\":\"down\"}}");
    assert_string_equal(text_of(json_object_get(f.sent[3], "payload"), "deployment_id"), "h:s:1");
    assert_string_equal(text_of(json_object_get(f.sent[3], "payload"), "action"), "down");
    assert_true(json_is_false(json_object_get(json_object_get(f.sent[3], "payload"), "success")));
    tear_down(&f);
}

/* The server sends them in each session, and expects no reply. */
static void test_health_checks_are_warned_of_once(void **state)
{
    static const char *const types[] = {"health_check_configs_sync", "health_check_config",
                                        "health_check_config_remove"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        _cleanup_free_ char *message = xasprintf("{\"type\":\"%s\",\"payload\":{}}", types[i]);
        bool has_warned = false;
        struct fixture f;

        set_up(&f, NULL, 0);
        open_session(&f, (struct session_options){.has_warned_of_checks = &has_warned});
        say(&f, message);
        assert_true(has_warned);
        say(&f, message);
        assert_int_equal(f.n_sent, 0);
        tear_down(&f);
    }
}

#define OP(id, action, container)                                                           \
    "{\"type\":\"container_operation\",\"id\":\"" id "\",\"payload\":{\"action\":\"" action \
    "\",\"container_id\":\"" container "\"}}"

#define C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define INSPECT(ref, id, labels)                                        \
    {                                                                   \
        "GET /containers/" ref "/json", FAKE_SEND, NULL,                \
            "{\"Id\":\"" id "\",\"Config\":{\"Labels\":{" labels "}}}", \
    }

static const struct fake_line basic[] = {
    INSPECT("y", B, ""),
    INSPECT("slow", C, ""),
    {"POST /containers/" A "/start",         FAKE_SEND, "HTTP/1.1 204 No Content\r\n\r\n",   NULL      },
    {"POST /containers/" B "/start",         FAKE_SEND, "HTTP/1.1 304 Not Modified\r\n\r\n", NULL      },
    {"POST /containers/" A "/stop?t=10",     FAKE_SEND, "HTTP/1.1 204 No Content\r\n\r\n",   NULL      },
    {"DELETE /containers/" A "?force=1&v=0", FAKE_SEND, "HTTP/1.1 204 No Content\r\n\r\n",   NULL      },
    {"POST /containers/" C "/stop",          FAKE_HANG, "",                                  NULL      },
    {"GET /containers/x/json",               FAKE_SEND, NULL,
                     "{\"Id\":\"" A "\",\"Config\":{\"Labels\":{\"l\":\"\\u0000\"}}}\n"                                },
    {"GET /containers/bad/json",             FAKE_SEND, NULL,                                "{\"Id\":"},
};

static void test_operations(void **state)
{
    const json_t *container;
    struct fixture f;

    (void)state;
    set_up(&f, basic, ARRAY_LEN(basic));
    open_session(&f, (struct session_options){0});
    say(&f, OP("1", "start", "x"));
    wait_sent(&f, 1);
    assert_true(json_is_true(json_object_get(f.sent[0], "success")));
    assert_string_equal(text_of(f.sent[0], "status"), "started");
    assert_string_equal(text_of(f.sent[0], "container_id"), "x");
    say(&f, OP("2", "start", "y"));
    wait_sent(&f, 2);
    assert_true(json_is_true(json_object_get(f.sent[1], "success")));
    say(&f, OP("3", "start", "none"));
    wait_sent(&f, 3);
    assert_true(json_is_false(json_object_get(f.sent[2], "success")));
    assert_string_equal(text_of(f.sent[2], "error"), "no such thing");
    assert_string_equal(text_of(f.sent[2], "error_type"), "docker_error");
    assert_int_equal(json_integer_value(json_object_get(f.sent[2], "status")), 404);
    say(&f, OP("4", "inspect", "x"));
    wait_sent(&f, 4);
    container = json_object_get(f.sent[3], "container");
    assert_string_equal(text_of(container, "Id"), A);
    say(&f, OP("5", "inspect", "bad"));
    wait_sent(&f, 5);
    assert_true(json_is_false(json_object_get(f.sent[4], "success")));
    say(&f,
        "{\"type\":\"command\",\"command\":\"delete_container\",\"id\":\"6\",\"payload\":{\"container_id\":\"x\"}}");
    wait_sent(&f, 6);
    assert_string_equal(text_of(json_object_get(f.sent[5], "payload"), "status"), "deleted");
    tear_down(&f);
}

/* Servers without error codes get only texts; the others get both. */
static void test_error_codes(void **state)
{
    static const struct {
        const char *text, *code;
    } cases[] = {
        {OP("1",       "start",        "none"), "not_found"},
        {OP("2", "dance",               "x"), "unknown_operation"},
        {OP("3",     "start", "../x"), "invalid_argument"},
        {OP("4",            "start",                     ""), "invalid_argument"},
        {OP("5",     "inspect", "bad"), "engine_error"},
        {"{\"type\":\"command\",\"command\":\"remove_image\",\"id\":\"6\",\"payload\":{}}",
         "invalid_argument"  },
    };
    struct fixture f;

    (void)state;
    for (int has_codes = 0; has_codes <= 1; has_codes++) {
        set_up(&f, basic, ARRAY_LEN(basic));
        open_session(&f, (struct session_options){.wants_codes = has_codes});
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            say(&f, cases[i].text);
            wait_sent(&f, i + 1);
            assert_string_not_equal(text_of(f.sent[i], "error"), "");
            assert_string_equal(text_of(f.sent[i], "code"), has_codes ? cases[i].code : "");
        }
        tear_down(&f);
    }
}

/* The same for shells and log streams, whose failures are events. */
static void test_error_codes_of_channels(void **state)
{
#define SHELL(container)                                                                  \
    "{\"type\":\"shell_session\",\"payload\":{\"action\":\"start\",\"session_id\":\"s\"," \
    "\"container_id\":\"" container "\"}}"
#define STREAM(container)                                                                          \
    "{\"type\":\"log_stream\",\"payload\":{\"action\":\"start\",\"stream_id\":\"l\",\"window\":1," \
    "\"container_id\":\"" container "\"}}"
    static const struct {
        const char *text, *code;
    } cases[] = {
        {SHELL("../x"),  "invalid_argument"},
        {STREAM("../x"), "invalid_argument"},
        {SHELL("none"),  "not_found"       },
        {STREAM("none"), "not_found"       },
        {SHELL("bad"),   "engine_error"    },
    };
    struct fixture f;

    (void)state;
    for (int has_codes = 0; has_codes <= 1; has_codes++) {
        set_up(&f, basic, ARRAY_LEN(basic));
        open_session(&f, (struct session_options){.wants_codes = has_codes});
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            const json_t *payload;

            say(&f, cases[i].text);
            wait_sent(&f, i + 1);
            payload = json_object_get(f.sent[i], "payload");
            assert_string_equal(text_of(payload, "action"), "error");
            assert_string_not_equal(text_of(payload, "error"), "");
            assert_string_equal(text_of(payload, "code"), has_codes ? cases[i].code : "");
        }
        tear_down(&f);
    }
}

static const struct fake_line labelled[] = {
    INSPECT("free", A, "\"dockmon.protect\":\"false\""),
    INSPECT("shut", B, "\"dockmon.protect\":\"true\""),
    INSPECT("half", C, "\"dockmon.protect\":\"stop,remove\""),
    INSPECT("odd", C, "\"dockmon.protect\":\"\\u0074rue\""),
    {"GET /containers/mute/json", FAKE_SEND, NULL,                              "{\"Id\":\"" A "\",\"Config\":{}}"},
    {"POST /containers/",         FAKE_SEND, "HTTP/1.1 204 No Content\r\n\r\n", NULL                              },
};

/* The labels of a container decide before the engine receives the operation. */
static void test_labels(void **state)
{
    static const struct {
        const char *request, *error; /* NULL: allowed */
        bool is_permission;
    } cases[] = {
        {OP("1", "stop",    "free"), NULL,                                                          false},
        {OP("1", "stop",    "shut"), "stop is not allowed: container bbbbbbbbbbbb is protected by",
         true                                                                                            },
        {OP("1", "start",   B),      "start is not allowed: container bbbbbbbbbbbb is protected",   true },
        {OP("1", "start",   "half"), NULL,                                                          false},
        {OP("1", "stop",    "half"), "stop is not allowed: container cccccccccccc is protected by",
         true                                                                                            },
        {OP("1", "stop",    "odd"),  "stop is not allowed: ",                                       true },
        {OP("1", "stop",    "mute"), "the engine's description of the container cannot be",         false},
        {OP("1", "inspect", "shut"), NULL,                                                          false},
    };
    struct fixture f;

    (void)state;
    set_up(&f, labelled, ARRAY_LEN(labelled));
    open_session(&f, (struct session_options){0});
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *type = cases[i].is_permission ? "permission_denied" : "docker_error";

        say(&f, cases[i].request);
        wait_sent(&f, i + 1);
        if (!str_starts_with(text_of(f.sent[i], "error"), cases[i].error ? cases[i].error : ""))
            fail_msg("%s: %s", cases[i].request, text_of(f.sent[i], "error"));
        assert_true(json_is_true(json_object_get(f.sent[i], "success")) == !cases[i].error);
        if (cases[i].error)
            assert_string_equal(text_of(f.sent[i], "error_type"), type);
    }
    assert_int_equal(fake_engine_count(f.fake, "GET /containers/" B "/json"), 0);
    assert_int_equal(fake_engine_count(f.fake, "POST /containers/" B), 0);
    assert_int_equal(fake_engine_count(f.fake, "POST /containers/"), 2);
    tear_down(&f);
}

static void test_policy(void **state)
{
    struct policy policy;
    struct fixture f;

    (void)state;
    assert_int_equal(policy_parse("observe,stop", &policy, NULL), 0);
    set_up(&f, basic, ARRAY_LEN(basic));
    open_session(&f, (struct session_options){.policy = &policy});
    say(&f, OP("1", "start", "x"));
    wait_sent(&f, 1);
    assert_string_equal(text_of(f.sent[0], "error_type"), "permission_denied");
    assert_string_equal(
        text_of(f.sent[0], "error"),
        "start is not allowed by the policy of this host (AGENT_POLICY=observe,stop)");
    say(&f, "{\"type\":\"command\",\"command\":\"prune_images\",\"id\":\"2\",\"payload\":{}}");
    wait_sent(&f, 2);
    assert_string_equal(text_of(f.sent[1], "error_type"), "permission_denied");
    say(&f, "{\"type\":\"shell_session\",\"payload\":{\"action\":\"start\",\"session_id\":"
            "\"11111111-1111-1111-1111-111111111111\",\"container_id\":\"x\"}}");
    wait_sent(&f, 3);
    assert_true(str_starts_with(text_of(json_object_get(f.sent[2], "payload"), "error"),
                                "shell is not allowed by the policy of this host"));
    assert_int_equal(fake_engine_count(f.fake, ""), 0);
    say(&f, OP("4", "stop", "x"));
    wait_sent(&f, 4);
    assert_true(json_is_true(json_object_get(f.sent[3], "success")));
    tear_down(&f);
}

/* Operations on one container run one after the other; those on another container do not wait. */
static void test_order(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, basic, ARRAY_LEN(basic));
    open_session(&f, (struct session_options){0});
    say(&f, OP("1", "stop", "slow"));
    say(&f, OP("2", "start", "slow"));
    say(&f, OP("3", "stop", "x"));
    say(&f, OP("4", "start", "x"));
    wait_sent(&f, 2);
    assert_string_equal(text_of(f.sent[0], "correlation_id"), "3");
    assert_string_equal(text_of(f.sent[1], "correlation_id"), "4");
    assert_int_equal(fake_engine_count(f.fake, "POST /containers/" C "/start"), 0);
    tear_down(&f); /* one operation runs and one waits */
}

static void test_pending_limit(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, basic, ARRAY_LEN(basic));
    open_session(&f, (struct session_options){0});
    say(&f, OP("1", "stop", "slow"));
    for (int i = 1; i < COMMANDS_MAX_ACCEPTED; i++)
        say(&f, OP("1", "start", "slow"));
    assert_int_equal(f.n_sent, 0);
    say(&f, OP("2", "start", "slow"));
    wait_sent(&f, 1);
    assert_string_equal(text_of(f.sent[0], "correlation_id"), "2");
    assert_string_equal(text_of(f.sent[0], "error"), "too many commands are pending (64)");
    tear_down(&f);
}

static void on_stopped(struct completion_wait *w)
{
    struct fixture *f = CONTAINER_OF(w, struct fixture, stopped);

    f->is_stopped = true;
    loop_stop(f->loop);
}

static void test_graceful_stop(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, basic, ARRAY_LEN(basic));
    open_session(&f, (struct session_options){0});
    say(&f, OP("1", "stop", "x"));
    say(&f, OP("2", "start", "x"));
    session_stop(f.session, &f.stopped, on_stopped);
    assert_false(f.is_stopped);
    say(&f, OP("3", "start", "x"));
    assert_string_equal(text_of(f.sent[0], "error"), "the agent is stopping");
    f.n_wanted = 0;
    run(&f, PATIENCE_MS);
    assert_true(f.is_stopped);
    assert_int_equal(f.n_sent, 3);
    assert_string_equal(text_of(f.sent[1], "correlation_id"), "1");
    assert_string_equal(text_of(f.sent[2], "correlation_id"), "2");
    tear_down(&f);
}

/* The server closes the connection while the session stops and the killer is busy. */
static void test_freed_while_stopping(void **state)
{
    static const struct fake_line lines[] = {
        {.request = "GET /exec/e/json", .how = FAKE_SEND, .body = "{\"Running\":false,\"Pid\":0}"},
    };
    struct fixture f;

    (void)state;
    set_up(&f, lines, ARRAY_LEN(lines));
    open_session(&f, (struct session_options){0});
    exec_killer_end(f.killer, &(struct exec_process){.container = A, .exec_id = "e", .mark = "m"});
    session_stop(f.session, &f.stopped, on_stopped);
    run(&f, 50);
    assert_int_equal(exec_killer_pending(f.killer), 1);
    session_free(TAKE_PTR(f.session));
    while (exec_killer_pending(f.killer) > 0)
        loop_turn(f.loop);
    run(&f, 10);
    assert_false(f.is_stopped);
    tear_down(&f);
}

static void test_engine_away(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, basic, ARRAY_LEN(basic));
    open_session(&f, (struct session_options){0});
    fake_engine_pause(f.fake);
    say(&f, OP("1", "start", "x"));
    wait_sent(&f, 1);
    assert_non_null(strstr(text_of(f.sent[0], "error"), "docker engine not reachable at unix:///"));
    fake_engine_resume(f.fake);
    say(&f, OP("2", "start", "x"));
    wait_sent(&f, 2);
    assert_true(json_is_true(json_object_get(f.sent[1], "success")));
    tear_down(&f);
}

static void test_reply_limits(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, basic, ARRAY_LEN(basic));
    open_session(&f, (struct session_options){.max_message = 150});
    say(&f, OP("1", "inspect", "x"));
    wait_sent(&f, 1);
    assert_string_equal(text_of(f.sent[0], "error"), "the reply is larger than 150 bytes");
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_invalid_requests_are_refused),
        cmocka_unit_test(test_unsupported_commands_are_refused),
        cmocka_unit_test(test_health_checks_are_warned_of_once),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_error_codes),
        cmocka_unit_test(test_error_codes_of_channels),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_pending_limit),
        cmocka_unit_test(test_graceful_stop),
        cmocka_unit_test(test_freed_while_stopping),
        cmocka_unit_test(test_engine_away),
        cmocka_unit_test(test_reply_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
