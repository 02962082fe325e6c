#include "server/session/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/alloc.h"
#include "server/session/session_fixture.h"

#define ROWS_BURST  30
#define STEPS_BURST 100

static void test_progress_is_sent_and_its_end_is_stored(void **state)
{
    static const struct {
        const char *message, *step; /* the start of the progress that clients get, or NULL */
        const char *row;            /* the type of the row, or NULL */
    } cases[] = {
        {"{\"type\":\"event\",\"command\":\"update_progress\",\"payload\":{\"container_id\":"
         "\"4f1c0a9be7d2\",\"stage\":\"pulling\",\"message\":\"m\"}}",              "container_update_progress", NULL                 },
        {"{\"type\":\"event\",\"command\":\"update_progress\",\"payload\":{\"container_id\":"
         "\"4f1c0a9be7d2\",\"stage\":\"completed\",\"message\":\"m\"}}",            "container_update_progress", "update_completed"   },
        {"{\"type\":\"event\",\"command\":\"update_progress\",\"payload\":{\"container_id\":"
         "\"4f1c0a9be7d2\",\"stage\":\"pull\",\"message\":\"m\",\"error\":\"e\"}}", "container_update_progress", "update_failed"      },
        {"{\"type\":\"event\",\"command\":\"selfupdate_progress\",\"payload\":{\"stage\":\"complete\","
         "\"message\":\"m\"}}",                                                     "agent_update_progress",     "agent_updated"      },
        {"{\"type\":\"event\",\"command\":\"selfupdate_progress\",\"payload\":{\"stage\":\"verify\","
         "\"message\":\"m\",\"error\":\"bad checksum\"}}",                          "agent_update_progress",     "agent_update_failed"},
        {"{\"type\":\"progress\",\"container_id\":\"4f1c0a9be7d2\",\"stage\":\"creating\",\"percent\":40,"
         "\"message\":\"m\"}",                                                      "container_update_progress", NULL                 },
        {"{\"type\":\"progress\",\"container_id\":\"../etc\",\"stage\":\"creating\"}",       NULL,                        NULL                 },
        {"{\"type\":\"progress\",\"container_id\":\"4f1c0a9be7d2\",\"stage\":7}",            NULL,                        NULL                 },
        {"{\"type\":\"progress\"}",                                                          NULL,                        NULL                 },
        {"{\"type\":\"error\",\"error\":7}",                                                 NULL,                        NULL                 },
        {"{\"type\":\"error\",\"error\":\"e\",\"details\":\"d\"}",                           NULL,                        "agent_error"        },
    };
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "go", true, &j);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        unsigned n_steps = f->n_steps, n_events;

        fixture_run_jobs(f);
        n_events = f->n_events;
        fake_ws_receive(ws, cases[i].message);
        fixture_run_jobs(f);
        assert_int_equal(f->n_steps - n_steps, cases[i].step != NULL);
        assert_int_equal(f->n_events - n_events, cases[i].row != NULL);
        if (cases[i].step)
            assert_memory_equal(f->last_step, cases[i].step, strlen(cases[i].step));
        if (cases[i].row)
            assert_string_equal(f->last_event, cases[i].row);
        assert_int_equal(ws->close_code, 0);
    }
    fake_ws_end(ws, 1000);
}

static void test_rate_of_reports_is_limited(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "loud", true, &j);

    for (int i = 0; i < 5 * STEPS_BURST; i++) {
        fake_ws_receive(ws, "{\"type\":\"error\",\"error\":\"e\"}");
        fake_ws_receive(
            ws, "{\"type\":\"progress\",\"stage\":\"s\",\"container_id\":\"4f1c0a9be7d2\"}");
    }
    fixture_run_jobs(f);
    assert_true(fixture_stored(f, "agent_error") >= ROWS_BURST);
    assert_true(fixture_stored(f, "agent_error") <
                2 * ROWS_BURST); /* the bucket refills while this runs */
    assert_true(f->n_steps >= STEPS_BURST && f->n_steps < 3 * STEPS_BURST);
    assert_int_equal(ws->close_code, 0);
    fake_ws_end(ws, 1000);
}

static void test_valid_samples_of_known_containers_are_emitted(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "go", true, &j);

    agent_send_event(
        ws, "inventory_snapshot",
        agent_part("s", 0, true, json_pack("[o]", agent_container(ID_A, "/a", "running"))));
    agent_send_event(ws, "container_stats",
                     json_pack("{s:s, s:f}", "container_id", ID_A, "cpu_percent", 1.0));
    agent_send_event(ws, "container_stats",
                     json_pack("{s:s, s:f}", "container_id", ID_B, "cpu_percent", 1.0));
    agent_send_event(ws, "container_stats",
                     json_pack("{s:s, s:s}", "container_id", ID_A, "cpu_percent", "1"));
    assert_int_equal(f->n_samples, 1); /* of the known container, from the valid message */
    fake_ws_receive(ws, "{\"type\":\"stats\",\"stats\":{\"cpu_percent\":1,\"mem_percent\":2}}");
    assert_int_equal(f->n_samples, 2);
    fake_ws_end(ws, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_progress_is_sent_and_its_end_is_stored, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_rate_of_reports_is_limited, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_valid_samples_of_known_containers_are_emitted,
                                        fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests_name("notices", tests, NULL, NULL);
}
