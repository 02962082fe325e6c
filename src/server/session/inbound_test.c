#include "server/session/session.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/inventory.h"
#include "server/session/session_fixture.h"

static void test_snapshot_and_deltas_are_applied(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "own", true, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);
    struct fleet_container *c = NULL;

    agent_send_event(
        ws, "inventory_snapshot",
        agent_part("s1", 0, false, json_pack("[o]", agent_container(ID_A, "/a", "running"))));
    assert_int_equal(h->containers.size, 0);
    /* The delta is newer than the snapshot, although it is received before its end. */
    agent_send_event(ws, "inventory_delta",
                     json_pack("{s:[o], s:[s]}", "containers",
                               agent_container(ID_A, "/a2", "paused"), "removed", ID_C));
    agent_send_event(ws, "inventory_snapshot",
                     agent_part("s1", 1, true,
                                json_pack("[o, o]", agent_container(ID_B, "/b", "running"),
                                          agent_container(ID_C, "/c", "running"))));
    assert_int_equal(h->containers.size, 2);
    assert_int_equal(f->n_container_changes, 1);
    assert_int_equal(fleet_find_container(h, "a2", &c), 0);
    assert_string_equal(c->state, "paused");

    agent_send_event(ws, "inventory_delta",
                     json_pack("{s:[], s:[s]}", "containers", "removed", ID_A));
    assert_int_equal(h->containers.size, 1);

    /*
     * Parts out of order or of another snapshot, and invalid ones, are ignored; the session
     * continues.
     */
    agent_send_event(ws, "inventory_snapshot", agent_part("s2", 1, true, json_array()));
    agent_send_event(ws, "inventory_snapshot", agent_part("s3", 0, false, json_array()));
    agent_send_event(ws, "inventory_snapshot", agent_part("s4", 1, true, json_array()));
    agent_send_event(ws, "inventory_snapshot", agent_part("s5", 0, false, json_array()));
    agent_send_event(ws, "inventory_snapshot", agent_part("s5", 2, true, json_array()));
    agent_send_event(ws, "inventory_snapshot", json_pack("{s:i}", "part", 0));
    agent_send_event(ws, "inventory_delta", json_pack("{s:i}", "containers", 0));
    agent_send_event(ws, "inventory_delta", json_array());
    assert_int_equal(h->containers.size, 1);
    assert_int_equal(ws->close_code, 0);

    agent_send_event(ws, "inventory_snapshot", agent_part("s5", 0, true, json_array()));
    assert_int_equal(h->containers.size, 0);
    fake_ws_end(ws, 1000);
}

static void test_containers_beyond_the_limit_are_left_out(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "own", true, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);

    for (int p = 0; p < 3; p++) {
        json_t *list = json_array();

        for (int i = 0; i < 2000; i++) {
            char id[65];

            (void)snprintf(id, sizeof(id), "%064d", p * 2000 + i);
            json_array_append_new(list, agent_container(id, "/x", "running"));
        }
        agent_send_event(ws, "inventory_snapshot", agent_part("big", p, p == 2, list));
    }
    /* Only the containers beyond the limit are left out. */
    assert_int_equal(h->containers.size, INVENTORY_MAX_CONTAINERS);
    assert_int_equal(ws->close_code, 0);
    fake_ws_end(ws, 1000);
}

static void receive_padded(struct ws *ws, const char *start, size_t size)
{
    char *text = xmalloc(size + 1);

    memset(text, ' ', size);
    memcpy(text, start, strlen(start));
    text[size] = '\0';
    fake_ws_receive(ws, text);
    free(text);
}

enum close_cause { CLOSE_REVOKED, CLOSE_SUPERSEDED };

/* Occupies the only worker until the test unlocks the mutex. */
static void wait_at_gate(void *owner)
{
    pthread_mutex_t *gate = owner;

    (void)pthread_mutex_lock(gate);
    (void)pthread_mutex_unlock(gate);
}

/* The session is closed while a message is parsed, before its socket is: the message is dropped. */
static void expect_late_message_ignored(struct fixture *f, struct joined *j, enum close_cause cause)
{
    struct ws *ws = fixture_join_with(f, j->token, "own", true, j), *next = NULL;
    struct fleet_host *h = fleet_find_host(f->fleet, j->host_id);
    uint64_t version = h->containers_version;
    json_t *message = json_pack("{s:s, s:s, s:{s:[o], s:[]}}", "type", "event", "command",
                                "inventory_delta", "payload", "containers",
                                agent_container(ID_C, "/late", "running"), "removed");
    _cleanup_free_ char *text = json_dumps(message, JSON_COMPACT);
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

    json_decref(message);
    /* A registration turns the loop, which would deliver a message that is parsed already. */
    (void)pthread_mutex_lock(&gate);
    assert_int_equal(job_submit(f->parse_jobs, &gate, wait_at_gate, fixture_no_work), 0);
    receive_padded(ws, text, 300000);
    assert_true(ws->is_paused);
    if (cause == CLOSE_REVOKED) {
        sessions_close_agent(f->sessions, j->agent_id, "Token revoked");
    } else {
        next = fixture_join_with(f, j->token, "own", true, j);
    }
    (void)pthread_mutex_unlock(&gate);
    job_queue_drain(f->parse_jobs);
    assert_int_equal(h->containers_version, version);

    /* The same message of an open session changes the list: the one above was a good one. */
    fake_ws_end(ws, 1008);
    if (!next)
        next = fixture_join_with(f, j->token, "own", true, j);
    receive_padded(next, text, 300000);
    job_queue_drain(f->parse_jobs);
    assert_int_not_equal(h->containers_version, version);
    fake_ws_receive_json(next,
                         json_pack("{s:s, s:s, s:{s:[], s:[s]}}", "type", "event", "command",
                                   "inventory_delta", "payload", "containers", "removed", ID_C));
    fake_ws_end(next, 1000);
}

static void test_large_message_is_parsed_by_a_worker(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "own", true, &j);
    struct outcome o = {0};
    _cleanup_free_ char *reply = NULL;

    /* A worker parses a large message, and nothing is read before that is done. */
    fixture_command(f, j.agent_id, &o);
    reply = xasprintf("{\"correlation_id\":\"%s\",\"success\":true}",
                      agent_text(fake_ws_next(ws), "id"));
    receive_padded(ws, reply, 300000);
    assert_true(ws->is_paused);
    assert_int_equal(o.n_calls, 0);
    job_queue_drain(f->parse_jobs);
    assert_false(ws->is_paused);
    assert_int_equal(o.n_calls, 1);
    assert_int_equal(o.code, 0);

    /* The session ends or is dropped while the worker parses. */
    receive_padded(ws, "{}", 300000);
    fake_ws_end(ws, 1006);
    job_queue_drain(f->parse_jobs);
    ws = fixture_join_with(f, j.token, "own", true, &j);
    receive_padded(ws, "[]", 300000);
    sessions_drop_agent(f->sessions, j.agent_id, "Host deleted");
    job_queue_drain(f->parse_jobs);
    assert_false(ws->is_paused);
    fake_ws_end(ws, 1008);

    expect_late_message_ignored(f, &j, CLOSE_REVOKED);
    expect_late_message_ignored(f, &j, CLOSE_SUPERSEDED);

    ws = fixture_join_with(f, j.token, "own", true, &j);
    receive_padded(ws, "{\"a\"", 300000);
    job_queue_drain(f->parse_jobs);
    assert_int_equal(ws->close_code, 0);
    assert_false(ws->is_paused);

    /* The queue of the worker is full: the loop parses. */
    for (int i = 0; i < 3; i++)
        assert_int_equal(job_submit(f->parse_jobs, f, fixture_no_work, fixture_no_work), 0);
    receive_padded(ws, "[]", 300000);
    assert_false(ws->is_paused);
    assert_int_equal(ws->close_code, 0);
    job_queue_drain(f->parse_jobs);
    fake_ws_end(ws, 1000);
}

static void test_container_events_are_stored_once(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "own", true, &j);
    int64_t since = 0;

    for (int i = 0; i < 2; i++) {
        /* A replayed event is stored once. */
        agent_send_event(ws, "container_event",
                         json_pack("{s:s, s:s, s:s, s:I}", "container_id", ID_A, "container_name",
                                   "web", "action", "start", "time_nano",
                                   (json_int_t)INT64_C(1700000000123456789)));
    }
    fixture_run_jobs(f);
    assert_int_equal(fixture_stored(f, "started"), 1);
    assert_int_equal(f->n_events, 2); /* host_added, started */
    assert_int_equal(events_newest_engine_ns(fixture_store(f), j.host_id, &since, NULL), 0);
    assert_int_equal(since, INT64_C(1700000000123456789));

    /* Without a time in ns (Go agents) events are not deduplicated. */
    for (int i = 0; i < 2; i++) {
        agent_send_event(ws, "container_event",
                         json_pack("{s:s, s:s, s:s}", "container_id", ID_A, "action", "restart",
                                   "timestamp", "2026-01-01T00:00:00+01:00"));
    }
    agent_send_event(ws, "container_event",
                     json_pack("{s:s, s:s}", "container_id", ID_A, "action", "exec_start: sh"));
    agent_send_event(ws, "container_event", json_pack("{s:i}", "container_id", 1));
    fixture_run_jobs(f);
    assert_int_equal(fixture_stored(f, "restarted"), 2);
    assert_int_equal(f->n_events, 4);
    assert_int_equal(ws->close_code, 0);

    /* On reconnect the agent is sent the time from which to replay events. */
    fake_ws_end(ws, 1006);
    ws = fixture_join_with(f, j.token, "own", true, &j);
    assert_int_equal(json_integer_value(json_object_get(ws->sent[0], "events_since")),
                     INT64_C(1700000000123456789));
    fake_ws_end(ws, 1000);
}

static void test_single_samples_reach_the_model(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "own", true, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);
    struct fleet_container *c = NULL;

    agent_send_event(
        ws, "inventory_snapshot",
        agent_part("s", 0, true, json_pack("[o]", agent_container(ID_A, "/a", "running"))));
    agent_send_event(ws, "container_stats",
                     json_pack("{s:s, s:f, s:i, s:i}", "container_id", ID_A, "cpu_percent", 12.5,
                               "memory_usage", 1000, "network_rx", 77));
    agent_send_event(ws, "container_stats",
                     json_pack("{s:s, s:f}", "container_id", ID_B, "cpu_percent", 1.5));
    fake_ws_receive(
        ws,
        "{\"type\":\"stats\",\"stats\":{\"cpu_percent\":40,\"mem_percent\":50.5,\"net_bytes_per_sec\":9}}");
    assert_int_equal(fleet_find_container(h, ID_A, &c), 0);
    assert_true(c->sample.cpu_percent > 12.4 && c->sample.cpu_percent < 12.6);
    assert_int_equal(c->sample.memory_usage, 1000);
    assert_int_equal(c->sample.network_rx, 77);
    assert_true(c->sample.sampled_at_ms > 0);
    assert_true(h->sample.memory_percent > 50.4 && h->sample.memory_percent < 50.6);

    /* A change of the container keeps its sample. */
    agent_send_event(ws, "inventory_delta",
                     json_pack("{s:[o]}", "containers", agent_container(ID_A, "/a", "paused")));
    assert_int_equal(fleet_find_container(h, ID_A, &c), 0);
    assert_int_equal(c->sample.memory_usage, 1000);
    fake_ws_end(ws, 1000);
}

/* The host has the reason why it cannot be worked with, from the engine and from the connection. */
static void test_engine_state_is_shown_by_the_host(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "own", true, &j);
    const struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);
    uint64_t version = h->version;

    assert_null(h->trouble);
    agent_send_event(ws, "engine_state", json_pack("{s:s}", "error", "it hangs"));
    assert_string_equal(h->trouble, "it hangs");
    assert_true(h->is_online);
    assert_true(h->version > version); /* the API encodes the host again */
    agent_send_event(ws, "engine_state", json_pack("{s:i}", "error", 7));
    assert_string_equal(h->trouble, "it hangs");
    agent_send_event(ws, "engine_state", json_object());
    assert_null(h->trouble);

    agent_send_event(ws, "engine_state", json_pack("{s:s}", "error", "it hangs"));
    fake_ws_end(ws, 1006);
    assert_non_null(h->trouble);
    assert_true(str_starts_with(h->trouble, "the agent is not connected: "));
    ws = fixture_join_with(f, j.token, "own", true, &j);
    assert_null(h->trouble);
    fake_ws_end(ws, 1000);
}

/* One agent takes no more memory than the limits, also by a snapshot that never ends. */
static void test_values_of_a_snapshot_are_limited(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "own", true, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);

    for (int part = 0; part < 4; part++) {
        json_t *list = json_array(), *many = json_array();

        for (int i = 0; i < 600000; i++)
            json_array_append_new(many, json_array());
        json_array_append_new(list, json_pack("{s:o}", "Ports", many));
        agent_send_event(ws, "inventory_snapshot", agent_part("many", part, false, list));
        job_queue_drain(f->parse_jobs);
    }
    assert_int_equal(ws->close_code, 0);
    agent_send_event(ws, "inventory_snapshot", agent_part("many", 4, true, json_array()));
    assert_int_equal(h->containers_at_ms, 0); /* it was dropped */
    agent_send_event(
        ws, "inventory_snapshot",
        agent_part("s", 0, true, json_pack("[o]", agent_container(ID_A, "/a", "running"))));
    assert_int_equal(h->containers.size, 1);
    fake_ws_end(ws, 1000);
}

static void send_part(struct fixture *f, struct ws *ws, json_t *part)
{
    agent_send_event(ws, "inventory_snapshot", part);
    job_queue_drain(f->parse_jobs);
}

/* The parts of unfinished snapshots of all agents count to the memory of the server. */
static void test_unfinished_snapshots_count_to_the_memory_of_all_hosts(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *first = fixture_join(f, "one", true, &j), *second = fixture_join(f, "two", true, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);
    char image[80001];

    memset(image, 'i', sizeof(image) - 1);
    image[sizeof(image) - 1] = '\0';
    fleet_set_max_cost(f->fleet, 100000);
    send_part(f, first, agent_part("a", 0, false, json_pack("[{s:s}]", "Image", image)));
    send_part(f, second, agent_part("b", 0, false, json_pack("[{s:s}]", "Image", image)));
    send_part(f, second, agent_part("b", 1, true, json_array()));
    assert_int_equal(h->containers_at_ms, 0); /* there was no room for its first part */

    fake_ws_end(first, 1000); /* its parts are freed */
    send_part(f, second, agent_part("c", 0, false, json_pack("[{s:s}]", "Image", image)));
    send_part(f, second, agent_part("c", 1, true, json_array()));
    assert_int_not_equal(h->containers_at_ms, 0);
    assert_true(fleet_reserve(f->fleet, 100000)); /* nothing is held any longer */
    fleet_release(f->fleet, 100000);
    fake_ws_end(second, 1000);
}

/* Go agents forward labels as they are; those of one container cost nothing but that label. */
static void test_labels_that_become_one_are_mended(void **state)
{
    static const char *const labels[] = {
        "\"\\u0000a\":\"1\",\"\\ufffda\":\"2\"",
        "\"a\":\"1\",\"a\":\"2\"",
        "\"a\":\"1\",\"\\u0061\":\"2\"",
        "\"a\":\"\\ud800\"",
        "\"\\u0000\":\"\",\"n\":99999999999999999999",
    };
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "own", true, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);

    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        _cleanup_free_ char *text = xasprintf(
            "{\"type\":\"event\",\"command\":\"inventory_snapshot\",\"payload\":{\"snapshot_id\":"
            "\"s%zu\",\"part\":0,\"last\":true,\"containers\":[{\"Id\":\"" ID_A
            "\",\"Names\":[\"/a\"],\"State\":\"running\",\"Labels\":{%s}},{\"Id\":\"" ID_B
            "\",\"Names\":[\"/b\"],\"State\":\"running\"}]}}",
            i, labels[i]);

        agent_send_event(ws, "inventory_snapshot", agent_part("empty", 0, true, json_array()));
        assert_int_equal(h->containers.size, 0);
        fake_ws_receive(ws, text);
        assert_int_equal(h->containers.size, 2);
        assert_int_equal(ws->close_code, 0);
    }
    fake_ws_end(ws, 1000);
}

static void test_invalid_messages_are_left_out(void **state)
{
    static const char *const harmless[] = {
        "{}",
        "{\"type\":\"whatever\"}",
        "{\"type\":\"event\"}",
        "{\"type\":\"event\",\"command\":\"unheard_of\",\"payload\":{}}",
        "{\"type\":\"event\",\"command\":\"container_event\"}",
        "{\"type\":\"event\",\"command\":\"container_event\",\"payload\":null}",
        "{\"type\":\"event\",\"command\":\"container_stats\",\"payload\":[]}",
        "{\"type\":\"event\",\"command\":\"inventory_snapshot\"}",
        "{\"type\":\"event\",\"command\":\"inventory_delta\"}",
        "{\"type\":\"event\",\"command\":\"update_progress\",\"payload\":{\"container_id\":\"x\",\"stage\":\"pull\"}}",
        "{\"type\":\"event\",\"command\":\"update_progress\"}",
        "{\"type\":\"event\",\"command\":\"shell_data\",\"payload\":{}}",
        "{\"type\":\"stats\"}",
        "{\"type\":\"stats\",\"stats\":7}",
        "{\"type\":\"heartbeat\"}",
        "{\"type\":\"progress\",\"container_id\":\"x\",\"stage\":\"pull\",\"percent\":5}",
        "{\"type\":\"error\",\"error\":\"it broke\",\"details\":\"x\"}",
        "{\"type\":\"error\"}",
        "{\"type\":\"response\",\"id\":\"nobody\"}",
        "{\"correlation_id\":7}",
        "{\"correlation_id\":null,\"success\":true}",
        "",
        "{",
        "[]",
        "null",
        "7",
        "{\"a\":1,\"a\":2}",
        "{\"type\":\"heartbeat\",\"n\":1e999}",
    };
    struct fixture *f = *state;
    struct joined j, other;
    struct ws *bystander = fixture_join(f, "bystander", true, &other);
    struct ws *ws = fixture_join(f, "own", true, &j);

    for (size_t i = 0; i < ARRAY_LEN(harmless); i++) {
        fake_ws_receive(ws, harmless[i]);
        assert_int_equal(ws->close_code, 0);
    }
    assert_true(fleet_find_host(f->fleet, j.host_id)->is_online);
    assert_true(fleet_find_host(f->fleet, other.host_id)->is_online);
    assert_int_equal(bystander->close_code, 0);
    fake_ws_end(ws, 1000);
    fake_ws_end(bystander, 1000);
}

static void test_full_store_queue_delays_or_refuses_events(void **state)
{
    struct fixture *f = *state;
    struct joined j, other;
    struct ws *ws = fixture_join(f, "own", true, &j);
    struct ws *loud = fixture_join(f, "loud", true, &other);

    fixture_run_jobs(f);
    assert_int_equal(job_submit(f->jobs, f, fixture_no_work, fixture_no_work), 0);
    agent_send_start(ws);
    agent_send_start(ws);
    fixture_run_jobs(f);
    assert_int_equal(fixture_stored(f, "started"), 0);
    fake_advance(100);
    fixture_run_jobs(f);
    assert_int_equal(fixture_stored(f, "started"), 2);
    assert_string_equal(f->last_event, "started");

    /* The queue remains full: an agent that can replay events is disconnected. */
    assert_int_equal(job_submit(f->jobs, f, fixture_no_work, fixture_no_work), 0);
    for (int i = 0; i < 15000; i++)
        agent_send_start(loud); /* more than the rate limit of one agent */
    assert_int_equal(loud->close_code, 0);
    for (int i = 0; i < 30000 && ws->close_code == 0; i++)
        agent_send_start(ws);
    assert_int_equal(ws->close_code, 1013);
    fake_ws_end(ws, 1013);
    fake_ws_end(loud, 1000);
    fixture_run_jobs(f);
}

static void test_free_stores_waiting_events(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = fixture_join(f, "own", true, &j);

    fixture_run_jobs(f);
    assert_int_equal(job_submit(f->jobs, f, fixture_no_work, fixture_no_work), 0);
    agent_send_start(ws);
    sessions_free(f->sessions);
    f->sessions = NULL;
    assert_int_equal(fixture_stored(f, "started"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_snapshot_and_deltas_are_applied, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_containers_beyond_the_limit_are_left_out,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_large_message_is_parsed_by_a_worker, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_container_events_are_stored_once, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_single_samples_reach_the_model, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_engine_state_is_shown_by_the_host, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_invalid_messages_are_left_out, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_unfinished_snapshots_count_to_the_memory_of_all_hosts,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_values_of_a_snapshot_are_limited, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_labels_that_become_one_are_mended, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_full_store_queue_delays_or_refuses_events,
                                        fixture_setup_no_queue, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_free_stores_waiting_events, fixture_setup_no_queue,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests_name("inbound", tests, NULL, NULL);
}
