#include "server/session/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "proto/notice.h"
#include "server/session/session_fixture.h"
#include "server/sqlite/query.h"

static void test_polled_agent_is_asked_for_its_list(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "go", false, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);

    fake_advance(0);
    agent_answer_list(ws, json_pack("[o, o, {}]", agent_container(ID_A, "/one", "running"),
                                    agent_container(ID_B, "/two", "dead")));
    assert_int_equal(h->containers.size, 2);
    assert_int_equal(f->n_container_changes, 1);

    fake_advance(1999);
    assert_null(fake_ws_next(ws));
    fake_advance(1);
    agent_answer_list(ws, json_pack("[o, o]", agent_container(ID_A, "/one", "running"),
                                    agent_container(ID_B, "/two", "dead")));
    assert_int_equal(f->n_container_changes, 1); /* the same list is no change */

    /* A refresh polls at once, or right after a poll that is under way. */
    sessions_refresh(f->sessions, j.agent_id);
    fake_advance(0);
    sessions_refresh(f->sessions, j.agent_id);
    agent_answer_list(ws, json_pack("[o]", agent_container(ID_A, "/one", "running")));
    assert_int_equal(h->containers.size, 1);
    fake_advance(100);
    agent_answer_list(ws, json_pack("[o]", agent_container(ID_A, "/one", "exited")));
    assert_int_equal(f->n_container_changes, 3);

    /* Events cause one poll for a group of them, which later ones do not postpone. */
    for (int i = 0; i < 2; i++) {
        agent_send_event(ws, "container_event",
                         json_pack("{s:s, s:s}", "container_id", ID_A, "action", "start"));
        fake_advance(50);
    }
    fake_ws_receive_json(ws, json_pack("{s:s, s:O, s:s}", "type", "response", "id",
                                       json_object_get(fake_ws_next(ws), "id"), "error", "no"));
    assert_int_equal(h->containers.size, 1); /* a failure is not an empty list */
    fake_advance(3999);
    assert_null(fake_ws_next(ws)); /* after failures: every 4 s, 8 s, ... */
    fake_advance(1);
    agent_answer_list(ws, json_pack("{s:i}", "not", 1));
    fake_advance(7999);
    assert_null(fake_ws_next(ws));
    fake_advance(1);
    agent_answer_list(ws, json_array());
    assert_int_equal(h->containers.size, 0);

    fake_ws_end(ws, 1000);
    fake_advance(60000);
}

static void test_success_resets_the_interval_of_polls(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "go", false, &j);

    fake_advance(0);
    fake_ws_receive_json(ws, json_pack("{s:s, s:O, s:s}", "type", "response", "id",
                                       json_object_get(fake_ws_next(ws), "id"), "error", "no"));
    fake_advance(3999);
    assert_null(fake_ws_next(ws));
    fake_advance(1);
    agent_answer_list(ws, json_array());
    fake_advance(1999);
    assert_null(fake_ws_next(ws));
    fake_advance(1);
    agent_answer_list(ws, json_array());
    fake_ws_end(ws, 1000);
}

static void test_lists_that_nobody_needs_are_read_seldom(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "go", false, &j);

    fake_advance(0);
    agent_answer_list(ws, json_pack("[o]", agent_container(ID_A, "/one", "running")));
    agent_send_event(ws, "container_stats",
                     json_pack("{s:s, s:s, s:f, s:i}", "container_id", ID_A, "container_name",
                               "/one", "cpu_percent", 1.5, "memory_usage", 250));
    fake_advance(2000);
    agent_answer_list(ws, json_pack("[o]", agent_container(ID_A, "/one", "running")));
    fake_advance(9999);
    assert_null(fake_ws_next(ws));
    fake_advance(1);
    agent_answer_list(ws, json_pack("[o]", agent_container(ID_A, "/one", "running")));

    sessions_need_lists(f->sessions);
    fake_advance(0);
    for (int i = 0; i < 3; i++) {
        agent_answer_list(ws, json_pack("[o]", agent_container(ID_A, "/one", "running")));
        fake_advance(1999);
        assert_null(fake_ws_next(ws));
        sessions_need_lists(f->sessions); /* does not add a request */
        fake_advance(1);
    }
    fake_ws_end(ws, 1000);
}

static void answer_state(struct ws *ws, const char *state)
{
    agent_answer_list(ws, json_pack("[o]", agent_container(ID_A, "/one", state)));
}

/* The first list after an event may have been made before the engine has changed its own state. */
static void test_each_end_of_a_container_is_looked_at_again(void **state)
{
    static const char *const actions[] = {"kill", "die", "stop"};
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "go", false, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);
    struct fleet_container *c;

    fake_advance(0);
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        answer_state(ws, "running");
        /* Lists are read at their usual pace again. */
        fake_advance(2000);
        answer_state(ws, "running");
        agent_send_event(ws, "container_event",
                         json_pack("{s:s, s:s}", "container_id", ID_A, "action", actions[i]));
        fake_advance(100);
        answer_state(ws, "running");
        fake_advance(400);
        answer_state(ws, "exited");
        assert_int_equal(fleet_find_container(h, ID_A, &c), 0);
        assert_string_equal(c->state, "exited");
        fake_advance(400);
        answer_state(ws, "exited");
        fake_advance(400);
    }
    fake_ws_end(ws, 1000);
}

static void fail_list(struct ws *ws, const char *text)
{
    fake_ws_receive_json(ws, json_pack("{s:s, s:O, s:s}", "type", "response", "id",
                                       json_object_get(fake_ws_next(ws), "id"), "error", text));
}

/* A slow answer is no restart of the engine: only what the agent says is. */
static void test_only_a_lost_engine_renews_the_connection(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "go", false, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);

    free(h->agent.os);
    /* Only agents of today say theirs, and come back by themselves. */
    h->agent.os = xstrdup("linux");

    fake_advance(0);
    /* No answer in time. */
    fake_advance(30000);
    (void)fake_ws_next(ws);
    fake_advance(4000);
    answer_state(ws, "running");
    assert_int_equal(ws->close_code, 0);

    fake_advance(2000);
    fail_list(ws, "Cannot connect to the Docker daemon");
    fake_advance(4000);
    answer_state(ws, "running");
    assert_int_equal(ws->close_code, 1013); /* try again later */
}

static void expect_trouble(const struct fleet_host *h, const char *beginning)
{
    assert_non_null(h->trouble);
    assert_true(str_starts_with(h->trouble, beginning));
}

/* An agent of the seed era, which would not come back, is kept: the host says what to do. */
static void test_a_missed_restart_is_shown_on_the_host(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "go", false, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);
    int64_t n = 0;

    free(h->agent.os);
    h->agent.os = NULL;
    fake_advance(0);
    for (int i = 1; i <= 2; i++) {
        fail_list(ws, "Cannot connect to the Docker daemon");
        expect_trouble(h, NOTICE_NO_ANSWER);
        fake_advance(4000);
        answer_state(ws, "running");
        expect_trouble(h, "the engine was restarted: this agent");
        fixture_run_jobs(f);
        /* It does not hide that the engine is lost again. */
        assert_int_equal(query_number(fixture_store(f),
                                      "SELECT count(*) FROM events WHERE type = 'engine_lost'", &n,
                                      NULL),
                         0);
        assert_int_equal(n, i);
        fake_advance(2000);
    }
    answer_state(ws, "running");
    expect_trouble(h, "the engine was restarted: this agent");
    assert_int_equal(ws->close_code, 0);

    /* A sample disproves it. */
    sessions_note_sample(f->sessions, j.agent_id);
    fake_advance(400);
    answer_state(ws, "running");
    assert_null(h->trouble);
    fake_advance(400);
    answer_state(ws, "running");
    fake_advance(400);
    assert_null(fake_ws_next(ws)); /* lists are read at their usual pace again */
    fake_ws_end(ws, 1000);
}

static void test_samples_of_the_statistics_channel_count(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "go", false, &j);

    fake_advance(0);
    agent_answer_list(ws, json_pack("[o]", agent_container(ID_A, "/one", "running")));
    sessions_note_sample(f->sessions, "unknown");
    sessions_note_sample(f->sessions, NULL); /* of a host without an agent */
    fake_advance(2000);
    agent_answer_list(ws, json_pack("[o]", agent_container(ID_A, "/one", "running")));
    sessions_note_sample(f->sessions, j.agent_id);
    fake_advance(2000);
    agent_answer_list(ws, json_pack("[o]", agent_container(ID_A, "/one", "running")));
    fake_advance(9999);
    assert_null(fake_ws_next(ws));
    fake_ws_end(ws, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_polled_agent_is_asked_for_its_list, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_success_resets_the_interval_of_polls, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_lists_that_nobody_needs_are_read_seldom, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_each_end_of_a_container_is_looked_at_again,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_only_a_lost_engine_renews_the_connection,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_missed_restart_is_shown_on_the_host, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_samples_of_the_statistics_channel_count, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
