#include "server/session/session.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/alloc.h"
#include "base/time.h"
#include "server/session/session_fixture.h"

static void test_registered_agent_is_online_until_it_disconnects(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "web", true, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);
    const json_t *m = ws->sent[0];

    assert_true(json_is_true(json_object_get(json_object_get(m, "capabilities"), "inventory")));
    assert_true(json_is_true(json_object_get(json_object_get(m, "capabilities"), "event_replay")));
    assert_int_equal(json_integer_value(json_object_get(m, "events_since")), 0);
    assert_true(json_is_integer(json_object_get(m, "events_since")));

    assert_non_null(h);
    assert_true(h->is_online);
    assert_string_equal(h->row.name, "web");
    assert_ptr_equal(h, fleet_find_agent(f->fleet, j.agent_id));
    assert_int_equal(ws->limits.max_message, 16 * 1024 * 1024);
    assert_int_equal(f->n_host_changes, 1);
    fake_advance(60000);
    assert_null(fake_ws_next(ws)); /* an agent that pushes is not polled */

    fixture_run_jobs(f);
    assert_string_equal(f->last_event, "host_added");
    fake_ws_end(ws, 1006);
    assert_false(h->is_online);
    fixture_run_jobs(f);
    assert_int_equal(fixture_stored(f, "host_disconnected"), 1);
    assert_string_equal(f->last_event, "host_disconnected");

    ws = fixture_join_with(f, j.token, "web", true, &j);
    fixture_run_jobs(f);
    assert_int_equal(fixture_stored(f, "host_connected"), 1);
    assert_true(h->is_online);
    fake_ws_end(ws, 1000);
}

/* Before the history has started, its positions are unknown and registrations wait. */
static void test_registrations_wait_for_release(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *token = store_fixture_token(fixture_store(f), true, time_utc_ms());
    struct ws *ws[4];
    struct joined j;

    sessions_hold(f->sessions);
    for (size_t i = 0; i < ARRAY_LEN(ws); i++) {
        char name[8] = {(char)('a' + i), '\0'};

        ws[i] = fixture_dial(f, "192.0.2.1");
        fake_ws_receive_json(ws[i], agent_register(token, name, name, true));
        if (i == 1)
            fake_advance(20000);
    }
    fixture_run_jobs(f);
    for (size_t i = 0; i < ARRAY_LEN(ws); i++)
        assert_null(fake_ws_next(ws[i]));
    fake_ws_end(ws[3], 1006); /* disconnects while it waits */
    fake_advance(10000);      /* the first two have reached the timeout */
    for (size_t i = 0; i < 2; i++) {
        assert_int_not_equal(ws[i]->close_code, 0);
        fake_ws_end(ws[i], 1008);
    }
    sessions_release(f->sessions);
    agent_expect_success(ws[2], &j);
    assert_true(fleet_find_agent(f->fleet, j.agent_id)->is_online);
    assert_int_equal(fleet_hosts(f->fleet)->size, 4); /* the store knows the others, too */
    fake_ws_end(ws[2], 1000);
    ws[0] = fixture_join_with(f, token, "e", true, &j); /* from now on registrations do not wait */
    fake_ws_end(ws[0], 1000);
    sessions_hold(f->sessions);
    ws[0] = fixture_dial(f, "192.0.2.1"); /* still waits when the server ends */
    fake_ws_receive_json(ws[0], agent_register(token, "f", "f", true));
    fixture_run_jobs(f);
}

static void test_invalid_first_frame_is_refused(void **state)
{
    static const struct {
        const char *frame, *error;
    } table[] = {
        {"{",                                           "must be a JSON object"                 },
        {"[]",                                          "must be a JSON object"                 },
        {"\"x\"",                                       "must be a JSON object"                 },
        {"",                                            "must be a JSON object"                 },
        {"{}",                                          "Invalid authentication type: "         },
        {"{\"type\":7}",                                "Invalid authentication type: "         },
        {"{\"type\":\"hello\"}",                        "Invalid authentication type: hello"    },
        {"{\"type\":\"reconnect\",\"agent_id\":\"x\"}", "Invalid authentication type: reconnect"},
        {"{\"type\":\"register\"}",                     "Invalid registration data"             },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct ws *ws = fixture_dial(f, "192.0.2.1");

        assert_int_equal(ws->limits.max_message, 64 * 1024);
        fake_ws_receive(ws, table[i].frame);
        agent_expect_refused(ws, table[i].error, 1008);
        fake_ws_receive(ws, "{}"); /* ignored */
        assert_null(fake_ws_next(ws));
        fake_ws_end(ws, 1008);
    }
    {
        struct ws *ws = fixture_dial(f, "192.0.2.1");

        ws->handler->on_message(ws->owner, "{}", 2, true);
        agent_expect_refused(ws, "must be a JSON object", 1008);
        fake_ws_end(ws, 1008);
    }
}

static void test_unknown_token_is_refused(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = fixture_dial(f, "192.0.2.1");

    fake_ws_receive_json(ws, agent_register("nonsense", "E", "x", false));
    assert_int_equal(ws->close_code, 0);
    fixture_run_jobs(f);
    agent_expect_refused(ws, "Invalid registration token", 1008);
    assert_string_equal(ws->close_reason, "Authentication failed");
    fake_ws_end(ws, 1008);
}

static void test_silent_peer_is_refused_after_30_s(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = fixture_dial(f, "192.0.2.1");

    fake_advance(29999);
    assert_int_equal(ws->close_code, 0);
    fake_advance(1);
    agent_expect_refused(ws, "Authentication timeout", 1008);
    fake_ws_end(ws, 1008);
}

static void test_disconnect_during_registration_keeps_the_host(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *token = store_fixture_token(fixture_store(f), false, time_utc_ms());
    struct ws *ws = fixture_dial(f, "192.0.2.1");

    fake_ws_receive_json(ws, agent_register(token, "E", "x", false));
    fake_ws_end(ws, 1006);
    fixture_run_jobs(f);
    assert_int_equal(fleet_hosts(f->fleet)->size, 1); /* the store has it, so the fleet has it */
    assert_false(((struct fleet_host *)map_next(fleet_hosts(f->fleet), NULL)->value)->is_online);
}

static void test_full_store_queue_refuses_registrations(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *token = store_fixture_token(fixture_store(f), true, time_utc_ms());
    struct ws *a = fixture_dial(f, "192.0.2.1"), *b = fixture_dial(f, "192.0.2.2");
    struct joined j;

    fake_ws_receive_json(a, agent_register(token, "E1", "a", true));
    fake_ws_receive_json(b, agent_register(token, "E2", "b", true));
    agent_expect_refused(b, "server busy", 1013);
    fixture_run_jobs(f);
    agent_expect_success(a, &j);
    fake_ws_end(a, 1000);
    fake_ws_end(b, 1013);
}

static void expect_code(struct ws *ws, const char *code)
{
    const json_t *m = fake_ws_next(ws);

    assert_non_null(m);
    assert_string_equal(agent_text(m, "type"), "auth_error");
    assert_string_not_equal(agent_text(m, "error"), "(none)");
    assert_string_equal(agent_text(m, "code"), code);
}

/* Error codes are sent only to agents that have the capability. */
static void test_refusals_have_codes_if_the_agent_knows_them(void **state)
{
    struct fixture *f = *state;

    for (int knows = 0; knows <= 1; knows++) {
        json_t *unknown = agent_register("no-such-token", "E", "x", true);
        json_t *malformed = agent_register("bad token", "E", "x", true);
        json_t *no_register = json_pack("{s:s, s:{}}", "type", "hello", "capabilities");
        json_t *messages[] = {unknown, malformed, no_register};
        static const char *const codes[] = {"token_invalid", "invalid_registration",
                                            "invalid_registration"};

        for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
            struct ws *ws = fixture_dial(f, "192.0.2.1");

            json_object_set_new(json_object_get(messages[i], "capabilities"), "error_codes",
                                json_boolean(knows));
            fake_ws_receive_json(ws, messages[i]);
            fixture_run_jobs(f);
            expect_code(ws, knows ? codes[i] : "(none)");
            fake_ws_end(ws, 1008);
        }
    }
}

struct gone {
    struct sessions_listener listener;
    unsigned n;
};

static void on_gone(struct sessions_listener *l, const char *agent_id)
{
    assert_non_null(agent_id);
    CONTAINER_OF(l, struct gone, listener)->n++;
}

static void test_newer_session_supersedes_the_older(void **state)
{
    struct fixture *f = *state;
    struct joined j, k;
    struct ws *old = fixture_join(f, "web", true, &j), *now;
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);
    struct gone gone = {.listener.on_agent_gone = on_gone};
    struct outcome o = {0};
    unsigned n_changes;

    sessions_add_listener(f->sessions, &gone.listener);
    fixture_command(f, j.agent_id, &o);
    now = fixture_join_with(f, j.token, "web", true, &k);
    assert_int_equal(o.n_calls, 1); /* its agent will not answer on the new connection */
    assert_int_equal(o.code, -ENOTCONN);
    assert_int_equal(gone.n, 1);
    sessions_remove_listener(&gone.listener);
    assert_string_equal(j.agent_id, k.agent_id);
    assert_int_equal(old->close_code, 1000);
    assert_string_equal(old->close_reason, "New connection established");

    /* The end of the old session does not affect the new one. */
    n_changes = f->n_host_changes;
    agent_send_event(old, "container_event",
                     json_pack("{s:s, s:s}", "container_id", ID_A, "action", "start"));
    fake_ws_end(old, 1000);
    assert_true(h->is_online);
    assert_int_equal(f->n_host_changes, n_changes);
    fixture_run_jobs(f);
    assert_int_equal(fixture_stored(f, "host_disconnected"), 0);
    assert_int_equal(fixture_stored(f, "started"), 0);
    assert_int_equal(fixture_stored(f, "agent_superseded"), 1);

    /* Two machines with copies of one data directory: one event, not one per connection. */
    for (int i = 0; i < 3; i++) {
        old = now;
        now = fixture_join_with(f, j.token, "web", true, &k);
        fake_ws_end(old, 1000);
    }
    fixture_run_jobs(f);
    assert_int_equal(fixture_stored(f, "agent_superseded"), 1);
    fake_ws_end(now, 1000);
    assert_false(h->is_online);
}

/* Answers the request for system information that is the next message. Takes the payload. */
static void answer_info(struct fixture *f, struct ws *ws, json_t *payload)
{
    const json_t *m = fake_ws_next(ws);

    assert_string_equal(agent_text(m, "command"), "get_system_info");
    fake_ws_receive_json(ws, json_pack("{s:s, s:O, s:o}", "type", "response", "id",
                                       json_object_get(m, "id"), "payload", payload));
    fixture_run_jobs(f);
}

/* The engine was upgraded under a connected agent: the host shows the new version. */
static void test_facts_are_refreshed_when_the_engine_is_back(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "web", true, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);
    _cleanup_(host_done) struct host row = {0};
    uint64_t version;

    agent_send_event(ws, "engine_state", json_pack("{s:s}", "error", "connection refused"));
    agent_send_event(ws, "engine_state", json_pack("{s:n}", "error"));
    fake_advance(2000);
    answer_info(f, ws,
                json_pack("{s:s, s:s, s:i, s:i}", "docker_version", "29.7.2", "os_version",
                          "Debian 13", "total_memory", 2048, "num_cpus", 0));
    assert_string_equal(h->row.docker_version, "29.7.2");
    assert_int_equal(h->row.total_memory, 2048);
    assert_int_equal(hosts_get(fixture_store(f), j.host_id, &row, NULL), 0);
    assert_string_equal(row.docker_version, "29.7.2");
    assert_string_equal(row.name, "web");

    /* Asked again after an hour: the machine has another address, and nothing else is new. */
    fake_advance(3600000);
    answer_info(f, ws,
                json_pack("{s:s, s:[s, s, s]}", "host_ip", "192.0.2.9", "host_ips", "192.0.2.9",
                          "none", "198.51.100.4"));
    assert_string_equal(h->row.host_ips, "[\"192.0.2.9\",\"198.51.100.4\"]");
    host_done(&row);
    assert_int_equal(hosts_get(fixture_store(f), j.host_id, &row, NULL), 0);
    assert_string_equal(row.host_ips, h->row.host_ips);
    version = h->version;
    fake_advance(3600000);
    answer_info(f, ws, json_pack("{s:[s, s]}", "host_ips", "192.0.2.9", "198.51.100.4"));
    fake_advance(3600000);
    answer_info(f, ws, json_pack("{s:[]}", "host_ips"));
    assert_int_equal(h->version, version);

    /* An invalid answer changes nothing. */
    fake_advance(3600000);
    answer_info(f, ws, json_pack("{s:i}", "docker_version", 7));
    assert_string_equal(h->row.docker_version, "29.7.2");
    fake_ws_end(ws, 1000);
}

/* Two agents with copies of one data directory: the connected one is kept, the host says so. */
static void test_two_agents_with_one_identity_are_damped(void **state)
{
    struct fixture *f = *state;
    struct joined j, k;
    struct ws *old = NULL, *now = fixture_join(f, "web", true, &j), *refused;
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);

    for (int i = 0; i < 5; i++) {
        old = now;
        now = fixture_join_with(f, j.token, "web", true, &k);
        fake_ws_end(old, 1000);
    }
    assert_null(h->trouble);
    for (int i = 0; i < 3; i++) {
        refused = fixture_dial(f, "192.0.2.77");
        fake_ws_receive_json(refused, agent_register(j.token, "engine-web", "web", true));
        agent_expect_refused(refused, "Two agents use this identity", 1013);
        fake_ws_end(refused, 1013);
        assert_non_null(strstr(h->trouble, "two agents use this identity"));
        assert_true(h->is_online);
        agent_send_event(now, "engine_state", json_pack("{s:n}", "error"));
        assert_non_null(strstr(h->trouble, "two agents use this identity"));
        fake_advance(240000); /* it goes on trying */
    }

    fixture_run_jobs(f);
    assert_int_equal(fixture_stored(f, "engine_back"), 0);

    /* The connected one goes away: the other one may take the place. */
    fake_ws_end(now, 1000);
    assert_false(h->is_online);
    now = fixture_join_with(f, j.token, "web", true, &k);
    assert_true(h->is_online);
    refused = fixture_dial(f, "192.0.2.78");
    fake_ws_receive_json(refused, agent_register(j.token, "engine-web", "web", true));
    agent_expect_refused(refused, "Two agents use this identity", 1013);
    fake_ws_end(refused, 1013);
    assert_non_null(h->trouble);

    /* It has given up: a takeover is possible again, as after a lost connection. */
    fake_advance(300000);
    assert_null(h->trouble);
    old = now;
    now = fixture_join_with(f, j.token, "web", true, &k);
    assert_int_equal(old->close_code, 1000);
    fake_ws_end(old, 1000);
    fake_ws_end(now, 1000);
}

static void test_only_the_asked_agent_can_answer(void **state)
{
    struct fixture *f = *state;
    struct joined ja, jb;
    struct ws *a = fixture_join(f, "a", true, &ja), *b = fixture_join(f, "b", true, &jb);
    struct outcome o = {0}, gone = {0}, late = {0};
    const json_t *m;

    fixture_command(f, ja.agent_id, &o);
    m = fake_ws_next(a);
    assert_string_equal(agent_text(m, "type"), "container_operation");
    assert_null(fake_ws_next(b));
    fake_ws_receive_json(
        b, json_pack("{s:O, s:b}", "correlation_id", json_object_get(m, "id"), "success", 1));
    assert_int_equal(o.n_calls, 0);
    fake_ws_receive_json(
        a, json_pack("{s:O, s:b}", "correlation_id", json_object_get(m, "id"), "success", 1));
    assert_int_equal(o.n_calls, 1);
    assert_int_equal(o.code, 0);

    fixture_command(f, ja.agent_id, &gone);
    fake_ws_end(a, 1006);
    assert_int_equal(gone.n_calls, 1);
    assert_int_equal(gone.code, -ENOTCONN);
    fixture_command(f, ja.agent_id, &late);
    fake_advance(0);
    assert_int_equal(late.code, -ENOTCONN);
    fake_ws_end(b, 1000);
}

static void test_dropped_agent_is_refused(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "own", true, &j);
    struct outcome o = {0};

    fixture_run_jobs(f);
    fixture_command(f, j.agent_id, &o);
    assert_int_equal(hosts_delete(fixture_store(f), j.host_id, NULL), 0);
    fleet_remove_host(f->fleet, j.host_id);
    sessions_drop_agent(f->sessions, j.agent_id, "Host deleted");
    assert_int_equal(ws->close_code, 1008);
    assert_string_equal(ws->close_reason, "Host deleted");
    assert_int_equal(o.code, -ENOTCONN);
    agent_send_event(ws, "container_event",
                     json_pack("{s:s, s:s}", "container_id", ID_A, "action", "start"));
    ws->handler->on_pong(ws->owner);
    fake_ws_end(ws, 1008);
    fixture_run_jobs(f);
    assert_int_equal(fixture_stored(f, NULL), 0);

    ws = fixture_dial(f, "192.0.2.1");
    fake_ws_receive_json(ws, agent_register(j.token, "own", "own", true));
    fixture_run_jobs(f);
    agent_expect_refused(ws, "Invalid registration token", 1008);
    fake_ws_end(ws, 1008);
}

/* The host is deleted while its agent sends: nothing brings it back. */
static void test_messages_of_a_deleted_host_are_ignored(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "own", false, &j);

    fake_advance(0);
    fleet_remove_host(f->fleet, j.host_id);
    agent_answer_list(ws, json_array());
    agent_send_event(ws, "container_event",
                     json_pack("{s:s, s:s}", "container_id", ID_A, "action", "start"));
    agent_send_event(ws, "inventory_delta", json_object());
    agent_send_event(ws, "container_stats", json_pack("{s:s}", "container_id", ID_A));
    fake_ws_end(ws, 1000);
}

static void test_last_seen_is_stored_rarely(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "own", true, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);
    _cleanup_(agent_done) struct agent a = {0};

    h->seen_at_ms = 0;
    ws->handler->on_pong(ws->owner);
    assert_true(h->seen_at_ms > 0);
    assert_int_equal(job_queue_pending(f->jobs) > 0,
                     f->n_events == 0); /* there is not one job for each pong */
    fixture_run_jobs(f);
    for (int i = 0; i < 100; i++)
        ws->handler->on_pong(ws->owner);
    assert_int_equal(job_queue_pending(f->jobs), 0);

    store_fixture_sql(fixture_store(f), "UPDATE agents SET last_seen_at_ms = 1");
    fake_ws_end(ws, 1000);
    fixture_run_jobs(f);
    assert_int_equal(agents_get(fixture_store(f), j.agent_id, &a, NULL), 0);
    assert_true(a.last_seen_at_ms > 1);
}

struct stop {
    struct completion_wait wait;
    unsigned n_stopped;
};

static void on_stopped(struct completion_wait *w)
{
    CONTAINER_OF(w, struct stop, wait)->n_stopped++;
}

static void test_stop_completes_when_all_have_closed(void **state)
{
    struct fixture *f = *state;
    struct stop stop = {0};
    struct joined j;
    struct ws *ws = fixture_join(f, "own", true, &j);

    sessions_stop(f->sessions, &stop.wait, on_stopped);
    fake_advance(10);
    assert_int_equal(stop.n_stopped, 0);
    fake_ws_end(ws, 1001);
    assert_int_equal(stop.n_stopped, 0);
    fake_advance(0);
    assert_int_equal(stop.n_stopped, 1);
}

static void test_stop_completes_after_a_second(void **state)
{
    struct fixture *f = *state;
    struct stop stop = {0};
    struct joined j;
    struct ws *ws = fixture_join(f, "own", true, &j), *late;
    struct outcome o = {0};

    fixture_command(f, j.agent_id, &o);
    sessions_stop(f->sessions, &stop.wait, on_stopped);
    assert_int_equal(ws->close_code, 1001);
    assert_int_equal(o.code, -ENOTCONN);
    late = fixture_dial(f, "192.0.2.9");
    assert_int_equal(late->close_code, 1001);
    fixture_run_jobs(f);
    assert_int_equal(fixture_stored(f, "host_disconnected"), 0);
    fake_ws_end(ws, 1001);
    fake_advance(999);
    assert_int_equal(stop.n_stopped, 0); /* `late` does not close */
    fake_advance(1);
    assert_int_equal(stop.n_stopped, 1);
    fake_advance(5000);
    assert_int_equal(stop.n_stopped, 1);
    /* `late` is still open: sessions_free() drops it. */
}

static void test_migrated_host_leaves_the_fleet(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *id = store_fixture_host(fixture_store(f), "remote", "prod", "engine-1");
    _cleanup_free_ char *token = store_fixture_token(fixture_store(f), false, time_utc_ms());
    _cleanup_(host_done) struct host row = {0};
    struct ws *ws = fixture_dial(f, "192.0.2.1");
    struct joined j;

    assert_int_equal(hosts_get(fixture_store(f), id, &row, NULL), 0);
    (void)fleet_put_host(f->fleet, &row, NULL);
    fake_ws_receive_json(ws, agent_register(token, "engine-1", "other", true));
    fixture_run_jobs(f);
    agent_expect_success(ws, &j);
    assert_null(fleet_find_host(f->fleet, id));
    assert_string_equal(fleet_find_host(f->fleet, j.host_id)->row.name, "prod");
    fixture_run_jobs(f);
    assert_int_equal(fixture_stored(f, "host_migrated"), 1);
    fake_ws_end(ws, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_registered_agent_is_online_until_it_disconnects,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_registrations_wait_for_release, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_invalid_first_frame_is_refused, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_unknown_token_is_refused, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_silent_peer_is_refused_after_30_s, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_disconnect_during_registration_keeps_the_host,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_full_store_queue_refuses_registrations,
                                        fixture_setup_no_queue, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_refusals_have_codes_if_the_agent_knows_them,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_newer_session_supersedes_the_older, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_facts_are_refreshed_when_the_engine_is_back,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_two_agents_with_one_identity_are_damped, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_only_the_asked_agent_can_answer, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_dropped_agent_is_refused, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_messages_of_a_deleted_host_are_ignored, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_last_seen_is_stored_rarely, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_stop_completes_after_a_second, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_stop_completes_when_all_have_closed, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_migrated_host_leaves_the_fleet, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
