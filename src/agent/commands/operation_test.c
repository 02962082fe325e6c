#include "agent/commands/operations.h"
#include "base/str.h"
#include "docker/fake_engine.h"
#include "proto/json_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define A      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NO_200 "HTTP/1.1 204 No Content\r\n\r\n"

static const struct fake_line lines[] = {
    {"GET /_ping",             FAKE_SEND, NULL,   "OK"                                           },
    {"POST /volumes/prune",    FAKE_SEND, NULL,   "{\"VolumesDeleted\":null}"                    },
    {"POST /volumes/create",   FAKE_SEND, NULL,   "{\"Name\":\"v\"}"                             },
    {"GET /volumes",           FAKE_SEND, NULL,   "{\"Volumes\":null}"                           },
    {"DELETE /volumes/v",      FAKE_SEND, NO_200, NULL                                           },
    {"POST /networks/create",  FAKE_SEND, NULL,   "{\"Id\":\"" A "\"}"                           },
    {"POST /networks/prune",   FAKE_SEND, NULL,   "{}"                                           },
    {"GET /networks/own",      FAKE_SEND, NULL,
     "{\"Id\":\"" A "\",\"Name\":\"own\",\"Containers\":{\"" A "\":{\"Name\":\"web\"}}}"         },
    {"GET /containers/" A,     FAKE_SEND, NULL,   "{\"Id\":\"" A "\"}"                           },
    {"POST /networks/" A "/d", FAKE_SEND, NO_200, NULL                                           },
    {"GET /networks/",         FAKE_SEND, NULL,   "{\"Id\":\"" A "\",\"Containers\":{}}"         },
    {"GET /networks",          FAKE_SEND, NULL,   "[]"                                           },
    {"DELETE /networks/",      FAKE_SEND, NO_200, NULL                                           },
    {"GET /images/json",       FAKE_SEND, NULL,   "[]"                                           },
    {"POST /images/prune",     FAKE_SEND, NULL,   "{}"                                           },
    {"DELETE /images/i",       FAKE_SEND, NULL,   "[]"                                           },
    {"GET /system/df",         FAKE_SEND, NULL,   "{}"                                           },
    {"GET /containers/json",   FAKE_SEND, NULL,   "[]"                                           },
    {"GET /containers/x/json", FAKE_SEND, NULL,   "{\"Id\":\"" A "\",\"Config\":{\"Labels\":{}}}"},
    {"POST /containers/" A,    FAKE_SEND, NO_200, NULL                                           },
    {"DELETE /containers/" A,  FAKE_SEND, NO_200, NULL                                           },
};

struct fixture {
    struct fake_engine *fake;
    struct loop *loop;
    struct engine *engine;
    struct policy policy;
    struct guard *guard;
    struct msg_command request;
    struct operation *operation;
    char steps[128]; /* as recorded, each with a blank behind it */
    unsigned n_steps;
    bool is_late; /* a step was recorded after its request */
    unsigned n_done;
    bool is_error;
    enum error_code code;
};

static unsigned count_requests(struct fixture *f)
{
    return fake_engine_count(f->fake, "") - fake_engine_count(f->fake, "GET /version");
}

/*
 * Each step comes before its request: none is under way, and the engine has seen those of earlier
 * steps.
 */
static void on_record(void *owner, const char *step)
{
    struct fixture *f = owner;
    size_t n = strlen(f->steps);

    f->is_late = f->is_late || f->operation->call || count_requests(f) != f->n_steps;
    f->n_steps++;
    (void)snprintf(f->steps + n, sizeof(f->steps) - n, "%s ", step);
}

static void on_done(void *owner, const struct operation_result *result)
{
    struct fixture *f = owner;

    f->operation = NULL;
    f->n_done++;
    f->is_error = result->error;
    f->code = result->error ? result->error->code : CODE_NONE;
    json_decref(result->fields);
    loop_stop(f->loop);
}

static const char *own_container; /* of the agent of the next fixture; NULL: none */

static void start(struct fixture *f, enum operation_id id, const char *payload)
{
    const struct operation_spec *spec = operation_spec(id);
    json_t *fields = json_text_parse(payload, strlen(payload), 0, NULL);
    json_auto_t *message = msg_command_encode(spec->kind, "1", spec->name, fields);

    json_decref(fields);
    *f = (struct fixture){0};
    f->fake = fake_engine_open(lines, ARRAY_LEN(lines));
    assert_int_equal(loop_new(&f->loop, &(struct loop_options){0}, NULL), 0);
    f->engine = fake_engine_client(f->fake, f->loop);
    assert_int_equal(policy_parse("full", &f->policy, NULL), 0);
    f->guard = guard_new(&f->policy, own_container);
    assert_int_equal(msg_command_decode(message, &f->request, NULL), 0);
    assert_int_equal(f->request.operation, id);
    f->operation = operation_new(agent_operation(id)->type,
                                 &(struct operation_options){.engine = f->engine,
                                                             .guard = f->guard,
                                                             .request = &f->request,
                                                             .deadline_ms = 60000,
                                                             .record = on_record,
                                                             .done = on_done,
                                                             .owner = f});
    operation_start(f->operation);
}

static void tear_down(struct fixture *f)
{
    operation_free(f->operation);
    msg_command_done(&f->request);
    guard_free(f->guard);
    engine_free(f->engine);
    loop_free(f->loop);
    fake_engine_close(f->fake);
}

/* The hook gets the name of each step before the request of that step is sent. */
static void test_records_each_step_before_its_request(void **state)
{
    static const struct {
        enum operation_id id;
        const char *payload, *steps;
    } cases[] = {
        {OPERATION_START,          "{\"container_id\":\"x\"}",                "identify act "      },
        {OPERATION_REMOVE,         "{\"container_id\":\"x\",\"force\":true}", "identify act "      },
        {OPERATION_INSPECT,        "{\"container_id\":\"x\"}",                "read "              },
        {OPERATION_LIST_IMAGES,    "{}",                                      "objects containers "},
        {OPERATION_REMOVE_IMAGE,   "{\"image_id\":\"i\"}",                    "remove "            },
        {OPERATION_PRUNE_IMAGES,   "{}",                                      "list prune "        },
        {OPERATION_LIST_NETWORKS,  "{}",                                      "objects containers "},
        {OPERATION_CREATE_NETWORK, "{\"name\":\"n\"}",                        "create inspect "    },
        {OPERATION_DELETE_NETWORK, "{\"network_id\":\"n\"}",                  "inspect delete "    },
        {OPERATION_PRUNE_NETWORKS, "{}",                                      "prune "             },
        {OPERATION_LIST_VOLUMES,   "{}",                                      "objects containers "},
        {OPERATION_CREATE_VOLUME,  "{}",                                      "create "            },
        {OPERATION_DELETE_VOLUME,  "{\"volume_name\":\"v\"}",                 "delete "            },
        {OPERATION_DISK_USAGE,     "{}",                                      "ask "               },
        {OPERATION_PRUNE_VOLUMES,  "{}",                                      "negotiate prune "   },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;

        start(&f, cases[i].id, cases[i].payload);
        assert_int_equal(f.n_done, 0);
        loop_run(f.loop);
        assert_int_equal(f.n_done, 1);
        if (f.is_error || f.is_late || !str_eq(f.steps, cases[i].steps)) {
            fail_msg("%s: %s%s%s", operation_spec(cases[i].id)->name, f.steps,
                     f.is_late ? "(late)" : "", f.is_error ? "(failed)" : "");
        }
        assert_int_equal(count_requests(&f), f.n_steps);
        tear_down(&f);
    }
}

/* The container of the agent is known by its id: its name and labels do not matter. */
static void test_spares_the_container_of_the_agent(void **state)
{
    static const struct {
        enum operation_id id;
        const char *payload, *own;
        bool is_refused;
    } cases[] = {
        {OPERATION_STOP,             "{\"container_id\":\"x\"}",                      A,              true },
        {OPERATION_STOP,             "{\"container_id\":\"x\"}",                      "aaaaaaaaaaaa", true },
        {OPERATION_STOP,             "{\"container_id\":\"x\"}",                      "bbbbbbbbbbbb", false},
        {OPERATION_STOP,             "{\"container_id\":\"x\"}",                      "",             false},
        {OPERATION_RESTART,          "{\"container_id\":\"x\"}",                      A,              true },
        {OPERATION_KILL,             "{\"container_id\":\"x\",\"signal\":\"HUP\"}",   A,              true },
        {OPERATION_PAUSE,            "{\"container_id\":\"x\"}",                      A,              true },
        {OPERATION_RENAME,           "{\"container_id\":\"x\",\"new_name\":\"web\"}", A,              true },
        {OPERATION_REMOVE,           "{\"container_id\":\"x\",\"force\":true}",       A,              true },
        {OPERATION_STOP_CONTAINER,   "{\"container_id\":\"x\"}",                      A,              true },
        {OPERATION_DELETE_CONTAINER, "{\"container_id\":\"x\"}",                      A,              true },
        {OPERATION_START,            "{\"container_id\":\"x\"}",                      A,              false},
        {OPERATION_INSPECT,          "{\"container_id\":\"x\"}",                      A,              false},
        {OPERATION_DELETE_NETWORK,   "{\"network_id\":\"own\",\"force\":true}",       A,              true },
        {OPERATION_DELETE_NETWORK,   "{\"network_id\":\"own\",\"force\":true}",       "bbbbbbbbbbbb",
         false                                                                                             },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;

        own_container = cases[i].own;
        start(&f, cases[i].id, cases[i].payload);
        loop_run(f.loop);
        if (f.is_error != cases[i].is_refused)
            fail_msg("case %zu, %s", i, operation_spec(cases[i].id)->name);
        if (f.is_error)
            assert_int_equal(f.code, CODE_OWN_CONTAINER);
        assert_int_equal(fake_engine_count(f.fake, "POST /containers/") +
                                 fake_engine_count(f.fake, "DELETE ") >
                             0,
                         !f.is_error && cases[i].id != OPERATION_INSPECT);
        tear_down(&f);
        own_container = NULL;
    }
}

/* Shells and copies are no commands, but their container is checked by the same guard. */
static void test_refuses_to_enter_the_container_of_the_agent(void **state)
{
    static const enum operation_id refused[] = {OPERATION_SHELL, OPERATION_COPY};
    struct policy policy;
    struct guard *guard;

    (void)state;
    assert_int_equal(policy_parse("full", &policy, NULL), 0);
    guard = guard_new(&policy, "aaaaaaaaaaaa");
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        _cleanup_free_ char *own = guard_refuse_own(guard, A, refused[i]);

        assert_non_null(own);
        assert_null(guard_refuse_own(guard, "bbbbbbbbbbbb", refused[i]));
    }
    guard_free(guard);
}

/* ping needs no engine: it ends before operation_start() returns. */
static void test_ends_at_once(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, OPERATION_PING, "{}");
    assert_int_equal(f.n_done, 1);
    assert_string_equal(f.steps, "");
    tear_down(&f);
}

static void test_free_ends_it_without_a_report(void **state)
{
    static const enum operation_id ids[] = {OPERATION_STOP, OPERATION_GET_LOGS,
                                            OPERATION_GET_SYSTEM_INFO, OPERATION_PRUNE_VOLUMES};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct fixture f;

        start(&f, ids[i], "{\"container_id\":\"x\"}");
        assert_non_null(f.operation);
        tear_down(&f); /* which frees it */
        assert_int_equal(f.n_done, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_each_step_before_its_request),
        cmocka_unit_test(test_ends_at_once),
        cmocka_unit_test(test_spares_the_container_of_the_agent),
        cmocka_unit_test(test_refuses_to_enter_the_container_of_the_agent),
        cmocka_unit_test(test_free_ends_it_without_a_report),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
