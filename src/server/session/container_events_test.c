#include "server/session/container_events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"

#define ID  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NOW INT64_C(1790000000000)

static const struct {
    const char *action, *attributes, *type, *severity, *new_state, *title; /* type NULL: no event */
} table[] = {
    {"create",                   "{}",                                "created",       "info",    "created", "Container web was created"       },
    {"start",                    "{}",                                "started",       "info",    "running", "Container web started"           },
    {"restart",                  "{}",                                "restarted",     "info",    "running", "Container web was restarted"     },
    {"stop",                     "{}",                                NULL,            NULL,      NULL,      NULL                              },
    {"die",                      "{\"exitCode\":\"0\"}",              "stopped",       "info",    "stopped", "Container web stopped"           },
    {"die",                      "{}",                                "stopped",       "info",    "stopped", "Container web stopped"           },
    {"die",                      "{\"exitCode\":\"x\"}",              "stopped",       "info",    "stopped", "Container web stopped"           },
    {"die",                      "{\"exitCode\":\"1\"}",              "died",          "error",   "exited",  "Container web died (exit code 1)"},
    {"die",                      "{\"exitCode\":\"137\"}",            "died",          "error",   "exited",
     "Container web died (exit code 137)"                                                                                                      },
    {"destroy",                  "{}",                                "deleted",       "info",    "deleted", "Container web was deleted"       },
    {"kill",                     "{\"signal\":\"1\"}",                "signalled",     "info",    NULL,      "Container web was sent signal 1" },
    {"kill",                     "{\"signal\":\"9\"}",                "signalled",     "warning", NULL,      "Container web was sent signal 9" },
    {"kill",                     "{}",                                "signalled",     "info",    NULL,      "Container web was sent a signal" },
    {"oom",                      "{}",                                "oom",           "error",   NULL,      "Container web ran out of memory" },
    {"pause",                    "{}",                                "paused",        "info",    "paused",  "Container web was paused"        },
    {"unpause",                  "{}",                                "unpaused",      "info",    "running", "Container web was unpaused"      },
    {"rename",                   "{\"oldName\":\"/old\"}",            "renamed",       "info",    NULL,
     "Container old was renamed to web"                                                                                                        },
    {"rename",                   "{}",                                "renamed",       "info",    NULL,      "Container web was renamed"       },
    {"health_status: healthy",   "{}",                                "health_status", "info",    NULL,      "Container web is healthy"        },
    {"health_status: unhealthy", "{}",                                "health_status", "warning", NULL,
     "Container web is unhealthy"                                                                                                              },
    {"health_status",            "{\"health_status\":\"unhealthy\"}", "health_status", "warning", NULL,
     "Container web is unhealthy"                                                                                                              },
    {"health_status",            "{}",                                NULL,            NULL,      NULL,      NULL                              },
    {"remove",                   "{}",                                "deleted",       "info",    "deleted", "Container web was deleted"       },
    {"exec_create: sh",          "{}",                                NULL,            NULL,      NULL,      NULL                              },
    {"exec_die",                 "{}",                                NULL,            NULL,      NULL,      NULL                              },
    {"startle",                  "{}",                                NULL,            NULL,      NULL,      NULL                              },
};

static int setup(void **state)
{
    struct host row = {.id = (char[]){"h1"}, .name = (char[]){"box"}};
    struct fleet *f = fleet_new();

    (void)fleet_put_host(f, &row, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fleet_free(*state);
    return 0;
}

static bool make_event_sent(struct fleet *f,
                            const char *fields,
                            const char *sent_at,
                            struct event *ret)
{
    _cleanup_(msg_container_event_done) struct msg_container_event m = {0};
    json_t *v = json_loads(fields, 0, NULL);
    bool is_made;

    assert_non_null(v);
    json_object_set_new(v, "container_id", json_string(ID));
    assert_int_equal(msg_container_event_decode(v, &m, NULL), 0);
    is_made = container_event_make(&m, sent_at, fleet_find_host(f, "h1"), NOW, ret);
    json_decref(v);
    return is_made;
}

static bool make_event(struct fleet *f, const char *fields, struct event *ret)
{
    return make_event_sent(f, fields, NULL, ret);
}

static void test_each_action_becomes_a_row(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        _cleanup_(event_done) struct event e = {0};
        _cleanup_free_ char *fields = xasprintf(
            "{\"action\":\"%s\",\"container_name\":\"web\",\"image\":\"nginx:1\",\"attributes\":%s}",
            table[i].action, table[i].attributes);
        json_t *details;

        assert_int_equal(make_event(*state, fields, &e), table[i].type != NULL);
        if (!table[i].type)
            continue;
        assert_string_equal(e.type, table[i].type);
        assert_string_equal(e.severity, table[i].severity);
        assert_true(str_eq(e.new_state, table[i].new_state));
        assert_string_equal(e.title, table[i].title);
        assert_string_equal(e.category, "container");
        assert_string_equal(e.host_id, "h1");
        assert_string_equal(e.host_name, "box");
        assert_string_equal(e.container_id, "0123456789ab");
        assert_string_equal(e.container_name, "web");
        assert_null(e.dedup_key);
        details = json_loads(e.details, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(details, "container_id")), ID);
        assert_string_equal(json_string_value(json_object_get(details, "image")), "nginx:1");
        json_decref(details);
    }
}

static void test_exit_code_is_stored_without_labels(void **state)
{
    _cleanup_(event_done) struct event e = {0};

    assert_true(make_event(
        *state, "{\"action\":\"die\",\"attributes\":{\"exitCode\":\"137\",\"label\":\"secret\"}}",
        &e));
    assert_non_null(strstr(e.details, "\"exit_code\":137"));
    assert_null(strstr(e.details, "secret")); /* labels are not copied */
}

static void test_invalid_times_are_replaced_by_the_present(void **state)
{
    static const struct {
        const char *fields;
        int64_t at_ms, engine_ns;
    } times[] = {
        {"{\"action\":\"start\",\"time_nano\":1700000000123456789}",           1700000000123,
         1700000000123456789                                                                   },
        {"{\"action\":\"start\",\"timestamp\":\"2023-11-14T23:13:20+01:00\"}", 1700000000000, 0},
        {"{\"action\":\"start\",\"timestamp\":\"yesterday\"}",                 NOW,           0},
        {"{\"action\":\"start\"}",                                             NOW,           0},
        {"{\"action\":\"start\",\"time_nano\":9000000000000000000}",           NOW,           0},
        {"{\"action\":\"start\",\"timestamp\":\"2199-01-01T00:00:00Z\"}",      NOW,           0},
    };

    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        _cleanup_(event_done) struct event e = {0};

        assert_true(make_event(*state, times[i].fields, &e));
        assert_int_equal(e.at_ms, times[i].at_ms);
        assert_int_equal(e.engine_ns, times[i].engine_ns);
        if (times[i].engine_ns) {
            assert_string_equal(e.dedup_key, "h1/" ID "/start/1700000000123456789");
        } else {
            assert_true(!e.dedup_key == !strstr(times[i].fields, "time_nano"));
        }
    }
}

static void test_whole_seconds_get_the_fraction_of_the_envelope(void **state)
{
    static const struct {
        const char *fields, *sent_at;
        int64_t at_ms;
    } times[] = {
        {"{\"action\":\"start\",\"timestamp\":\"2023-11-14T22:13:20Z\"}",
         "2023-11-14T23:13:20.905750303+01:00",                                                       1700000000905},
        {"{\"action\":\"start\",\"timestamp\":\"2023-11-14T22:13:20Z\"}",   "2023-11-14T22:13:21.2Z",
         1700000000000                                                                                             },
        {"{\"action\":\"start\",\"timestamp\":\"2023-11-14T22:13:20.5Z\"}",
         "2023-11-14T22:13:20.9Z",                                                                    1700000000500},
        {"{\"action\":\"start\",\"timestamp\":\"2023-11-14T22:13:20Z\"}",   "now",                    1700000000000},
        {"{\"action\":\"start\",\"time_nano\":1700000000000000000}",        "2023-11-14T22:13:20.9Z",
         1700000000000                                                                                             },
    };

    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        _cleanup_(event_done) struct event e = {0};

        assert_true(make_event_sent(*state, times[i].fields, times[i].sent_at, &e));
        assert_int_equal(e.at_ms, times[i].at_ms);
    }
}

static void test_old_state_is_that_of_the_model(void **state)
{
    _cleanup_(event_done) struct event e = {0};
    json_t *list = json_pack("[{s:s, s:s}]", "Id", ID, "State", "paused");

    assert_int_equal(fleet_apply_snapshot(fleet_find_host(*state, "h1"), list, 1), 0);
    json_decref(list);
    assert_true(make_event(*state, "{\"action\":\"unpause\"}", &e));
    assert_string_equal(e.old_state, "paused");
    assert_string_equal(e.container_name, "0123456789ab"); /* the event has no name */
}

/* A container that has died was running, even if the model is a moment behind, or ahead. */
static void test_old_state_of_a_death(void **state)
{
    _cleanup_(event_done) struct event e = {0};
    json_t *list = json_pack("[{s:s, s:s}]", "Id", ID, "State", "exited");

    assert_int_equal(fleet_apply_snapshot(fleet_find_host(*state, "h1"), list, 1), 0);
    json_decref(list);
    assert_true(make_event(*state, "{\"action\":\"die\"}", &e));
    assert_string_equal(e.old_state, "running");
}

static void test_old_state_right_after_another_event(void **state)
{
    static const struct {
        const char *in_model, *action, *expected;
    } cases[] = {
        {"exited",  "{\"action\":\"pause\"}",   "running"},
        {"running", "{\"action\":\"unpause\"}", "paused" },
        {"running", "{\"action\":\"start\"}",   "exited" },
        {"created", "{\"action\":\"start\"}",   "created"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_(event_done) struct event e = {0};
        json_t *list = json_pack("[{s:s, s:s}]", "Id", ID, "State", cases[i].in_model);

        assert_int_equal(fleet_apply_snapshot(fleet_find_host(*state, "h1"), list, 1), 0);
        json_decref(list);
        assert_true(make_event(*state, cases[i].action, &e));
        assert_string_equal(e.old_state, cases[i].expected);
    }
}

static void test_invalid_container_id_is_refused(void **state)
{
    static const char *const ids[] = {"../../etc", "\xc3\xa9\xc3\xa9", "a b", "-x"};

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct msg_container_event m = {.container_id = xstrdup(ids[i]),
                                        .action = xstrdup("start")};
        struct event e = {0};

        assert_false(container_event_make(&m, NULL, fleet_find_host(*state, "h1"), NOW, &e));
        msg_container_event_done(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_action_becomes_a_row, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exit_code_is_stored_without_labels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_invalid_times_are_replaced_by_the_present, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_whole_seconds_get_the_fraction_of_the_envelope, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_old_state_is_that_of_the_model, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_state_of_a_death, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_state_right_after_another_event, setup, teardown),
        cmocka_unit_test_setup_teardown(test_invalid_container_id_is_refused, setup, teardown),
    };

    return cmocka_run_group_tests_name("container-events", tests, NULL, NULL);
}
