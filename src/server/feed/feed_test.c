#include "server/feed/feed_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/alloc.h"
#include "proto/json_text.h"
#include "proto/samples.h"
#include "server/fleet/fleet_listener.h"

/* --- tests ------------------------------------------------------------------------------------ */

static void test_state_is_followed_by_one_update_per_tick(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = feed_fixture_dial(f);
    const json_t *m;

    assert_null(fake_ws_next(ws)); /* nothing before a subscription */
    feed_fixture_subscribe(ws, "containers");
    m = feed_fixture_expect(ws, "state");
    assert_int_equal(feed_fixture_count_elements(m, "containers"), 2);
    assert_true(json_is_false(json_object_get(m, "complete")));
    assert_true(json_is_true(json_object_get(m, "last")));
    fake_advance(TICK_MS);
    assert_null(fake_ws_next(ws)); /* the client has everything */

    for (int i = 0; i < 50; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "/a%d", i);
        feed_fixture_put_containers(f, json_pack("[o, o]", feed_fixture_element(ID_A, name, "x"),
                                                 feed_fixture_element(ID_B, "/b", "y")));
    }
    feed_fixture_put_containers(f, json_pack("[o]", feed_fixture_element(ID_A, "/last", "x")));
    assert_int_equal(ws->n_sent, 2);
    fake_advance(TICK_MS);
    m = feed_fixture_expect(ws, "update");
    assert_int_equal(feed_fixture_count_elements(m, "containers"), 1);
    assert_string_equal(json_text_get(json_array_get(json_object_get(m, "containers"), 0), "name"),
                        "last");
    assert_string_equal(json_text_get(json_array_get(json_object_get(m, "removed"), 0), "id"),
                        "bbbbbbbbbbbb");
    assert_int_equal(feed_fixture_count_elements(m, "hosts"), 0); /* not subscribed to */
    assert_null(fake_ws_next(ws));
    fake_ws_end(ws, 1000);
}

static void test_slow_client_gets_the_state_again(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = feed_fixture_dial(f);
    const json_t *m;

    feed_fixture_subscribe(ws, "containers");
    assert_int_equal(ws->limits.max_queue, MAX_QUEUE);
    (void)feed_fixture_expect(ws, "state");
    ws->send_code = -ENOBUFS;
    ws->queued = 1;
    feed_fixture_put_containers(f, json_pack("[o, o]", feed_fixture_element(ID_A, "/a1", "x"),
                                             feed_fixture_element(ID_B, "/b", "y")));
    fake_advance(TICK_MS);
    ws->send_code = 0; /* the queue has room again, but has not drained */
    feed_fixture_put_containers(f, json_pack("[o]", feed_fixture_element(ID_A, "/a2", "x")));
    fake_advance(TICK_MS);
    assert_null(fake_ws_next(ws));

    fake_ws_drain(ws);
    m = feed_fixture_expect(ws, "state");
    assert_string_equal(json_text_get(m, "reason"), "behind");
    assert_true(json_is_true(json_object_get(m, "complete")));
    assert_int_equal(feed_fixture_count_elements(m, "containers"), 1);
    feed_fixture_put_containers(f, json_pack("[o]", feed_fixture_element(ID_A, "/a3", "x")));
    fake_advance(TICK_MS);
    (void)feed_fixture_expect(ws, "update");
    fake_ws_end(ws, 1000);
}

static void test_large_state_is_sent_in_parts(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *large = xcalloc(1, 100001);
    struct ws *ws = feed_fixture_dial(f);
    json_t *list = json_array();
    const json_t *m;
    size_t n = 0;

    memset(large, 'x', 100000);
    for (int i = 0; i < 10; i++) {
        char id[65];

        (void)snprintf(id, sizeof(id), "%064d", i);
        json_array_append_new(list, feed_fixture_large_element(id, "/c", large));
    }
    feed_fixture_put_containers(f, list);
    fake_advance(TICK_MS);
    feed_fixture_subscribe(ws, "containers/h");
    for (int part = 0;; part++) {
        m = feed_fixture_expect(ws, "state");
        assert_int_equal(json_integer_value(json_object_get(m, "part")), part);
        n += feed_fixture_count_elements(m, "containers");
        if (json_is_true(json_object_get(m, "last")))
            break;
        assert_null(fake_ws_next(ws)); /* the next part waits for the queue to drain */
        fake_ws_drain(ws);
    }
    assert_int_equal(n, 10);
    assert_true(json_integer_value(json_object_get(m, "part")) >= 3);
    fake_ws_drain(ws);
    assert_null(fake_ws_next(ws));

    /* A subscription before the previous state is complete: the whole state is sent once. */
    fake_ws_receive_json(
        ws, json_pack("{s:s, s:[s]}", "type", "unsubscribe", "topics", "containers/h"));
    (void)feed_fixture_expect(ws, "unsubscribed");
    feed_fixture_subscribe(ws, "containers");
    (void)feed_fixture_expect(ws, "state");
    feed_fixture_subscribe(ws, "hosts");
    m = feed_fixture_expect(ws, "state");
    assert_true(json_is_true(json_object_get(m, "complete")));
    assert_int_equal(json_integer_value(json_object_get(m, "part")), 0);
    assert_int_equal(feed_fixture_count_elements(m, "hosts"), 1);
    fake_ws_end(ws, 1000);
}

static void test_new_samples_of_watched_containers_are_sent(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = feed_fixture_dial(f);
    const struct fleet_sample s = {.sampled_at_ms = 1000, .cpu_percent = 12.5};
    const json_t *m;

    feed_fixture_subscribe(ws, "stats/h/" A12);
    assert_int_equal(feed_fixture_count_elements(feed_fixture_expect(ws, "state"), "stats"), 0);
    assert_int_equal(f->n_watched, 1);
    assert_true(feed_is_watched(f->feed, "h", ID_A));
    assert_false(feed_is_watched(f->feed, "h", ID_B));
    assert_false(feed_is_watched(f->feed, "h", NULL));

    for (int i = 0; i < 10; i++) {
        assert_true(fleet_put_sample(f->h, 0, ID_A, &s));
        assert_true(fleet_put_sample(f->h, 0, ID_B, &s));
        fleet_put_host_sample(f->h, &s);
        fleet_notify_samples(f->fleet, f->h, &(struct samples){0});
    }
    fake_advance(TICK_MS);
    m = feed_fixture_expect(ws, "update");
    assert_int_equal(feed_fixture_count_elements(m, "stats"), 1);
    assert_int_equal(feed_fixture_count_elements(m, "host_stats"), 0);
    fleet_notify_samples(f->fleet, f->h,
                         &(struct samples){0}); /* of other objects: no sample here is new */
    fake_advance(TICK_MS);
    assert_null(fake_ws_next(ws));

    fake_ws_end(ws, 1000);
    assert_int_equal(f->n_watched, 2);
    assert_false(feed_is_any_watched(f->feed, "h"));
}

static void test_too_many_removals_resend_the_state(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = feed_fixture_dial(f);

    feed_fixture_subscribe(ws, "hosts");
    (void)feed_fixture_expect(ws, "state");
    for (int i = 0; i < 1100; i++) {
        char id[16];

        (void)snprintf(id, sizeof(id), "g%d", i);
        (void)feed_fixture_put_host(f, id);
        fleet_remove_host(f->fleet, id);
    }
    fleet_notify_containers(f->fleet, f->h);
    fake_advance(TICK_MS);
    assert_string_equal(json_text_get(feed_fixture_expect(ws, "state"), "reason"), "too_much");
    fake_ws_end(ws, 1000);
}

/* The changes exceed a frame: news are sent at once, and the state in parts. */
static void test_large_changes_are_sent_in_parts(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *large = xcalloc(1, 700001);
    struct ws *ws = feed_fixture_dial(f);
    const json_t *m;
    json_t *step;

    feed_fixture_subscribe(ws, "containers");
    (void)feed_fixture_expect(ws, "state");
    fake_ws_receive_json(ws, json_pack("{s:s, s:[s]}", "type", "subscribe", "topics", "progress"));
    (void)feed_fixture_expect(ws, "subscribed");
    (void)feed_fixture_expect(ws, "state");
    memset(large, 'x', 700000);
    feed_fixture_put_containers(f,
                                json_pack("[o, o]", feed_fixture_large_element(ID_A, "/a", large),
                                          feed_fixture_large_element(ID_B, "/b", large)));
    step = json_pack("{s:s, s:s}", "host_id", "h", "stage", "pulling");
    fleet_notify_progress(f->fleet, "container_update_progress", step);
    json_decref(step);
    fake_advance(TICK_MS);
    m = feed_fixture_expect(ws, "update");
    assert_int_equal(feed_fixture_count_elements(m, "containers"), 0);
    assert_int_equal(feed_fixture_count_elements(m, "progress"), 1);
    m = feed_fixture_expect(ws, "state");
    assert_string_equal(json_text_get(m, "reason"), "too_much");
    assert_true(json_is_true(json_object_get(m, "complete")));
    assert_int_equal(feed_fixture_count_elements(m, "containers"), 1);
    fake_ws_drain(ws);
    assert_int_equal(feed_fixture_count_elements(feed_fixture_expect(ws, "state"), "containers"),
                     1);
    assert_null(fake_ws_next(ws));

    /* A message that exceeds an empty queue can never be sent: the client is closed. */
    ws->send_code = -ENOBUFS;
    feed_fixture_put_containers(f, json_pack("[o]", feed_fixture_element(ID_A, "/a", "x")));
    fake_advance(TICK_MS);
    assert_int_equal(ws->close_code, 1009);
    fake_ws_end(ws, 1009);
}

static void test_scope_limits_containers(void **state)
{
    struct fixture *f = *state;
    struct ws *ws;
    const json_t *m;

    feed_fixture_limit_to("label=team=x");
    ws = feed_fixture_dial(f);
    feed_fixture_subscribe(ws, "containers");
    m = feed_fixture_expect(ws, "state");
    assert_int_equal(feed_fixture_count_elements(m, "containers"), 1);

    /* b changes and is removed, a leaves the scope: only the latter is sent. */
    feed_fixture_put_containers(f, json_pack("[o, o]", feed_fixture_element(ID_A, "/a", "x"),
                                             feed_fixture_element(ID_B, "/b2", "y")));
    fake_advance(TICK_MS);
    assert_null(fake_ws_next(ws));
    feed_fixture_put_containers(f, json_pack("[o]", feed_fixture_element(ID_A, "/a", "z")));
    fake_advance(TICK_MS);
    m = feed_fixture_expect(ws, "update");
    assert_int_equal(feed_fixture_count_elements(m, "containers"), 0);
    assert_int_equal(feed_fixture_count_elements(m, "removed"), 1);
    feed_fixture_put_containers(f, json_pack("[o]", feed_fixture_element(ID_A, "/a2", "z")));
    fake_advance(TICK_MS);
    assert_null(fake_ws_next(ws));
    feed_fixture_put_containers(f, json_pack("[o]", feed_fixture_element(ID_A, "/a2", "x")));
    fake_advance(TICK_MS);
    assert_int_equal(feed_fixture_count_elements(feed_fixture_expect(ws, "update"), "containers"),
                     1);
    fake_ws_end(ws, 1000);
}

static void test_client_is_closed_when_its_rights_end(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = feed_fixture_dial(f);

    feed_fixture_subscribe(ws, "containers");
    (void)feed_fixture_expect(ws, "state");
    feed_fixture_on_ended(feed_fixture_ended_owner, "Logged out");
    assert_int_equal(ws->close_code, 1008);
    assert_string_equal(ws->close_reason, "Logged out");
    feed_fixture_put_containers(f, json_pack("[o]", feed_fixture_element(ID_A, "/a2", "x")));
    fake_advance(TICK_MS);
    assert_null(fake_ws_next(ws));
    fake_ws_end(ws, 1008);
}

#define WITH_FIXTURE(test) \
    cmocka_unit_test_setup_teardown(test, feed_fixture_setup, feed_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_state_is_followed_by_one_update_per_tick),
        WITH_FIXTURE(test_slow_client_gets_the_state_again),
        WITH_FIXTURE(test_large_state_is_sent_in_parts),
        WITH_FIXTURE(test_new_samples_of_watched_containers_are_sent),
        WITH_FIXTURE(test_too_many_removals_resend_the_state),
        WITH_FIXTURE(test_large_changes_are_sent_in_parts),
        WITH_FIXTURE(test_scope_limits_containers),
        WITH_FIXTURE(test_client_is_closed_when_its_rights_end),
    };

    return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
