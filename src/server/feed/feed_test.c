#include "server/feed/feed.h"

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
#include "base/str.h"
#include "proto/json_text.h"
#include "proto/samples.h"
#include "server/auth/credentials.h"
#include "server/auth/watch.h"
#include "server/common/fake_net.h"
#include "server/fleet/fleet_listener.h"
#include "server/view/agent_json.h"

#define TICK_MS   100
#define MAX_QUEUE 3000000
#define ID_A      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B      "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define A12       "aaaaaaaaaaaa"

/* --- fakes of requests and authentication ----------------------------------------------------- */

static struct identity caller;
static auth_watch_fn on_ended;
static void *ended_owner;

struct credentials *credentials_new(const struct http_request *r)
{
    struct credentials *c = xcalloc(1, sizeof(*c));

    c->bearer = xstrdup("key");
    c->peer = xstrdup(r->peer);
    return c;
}

void credentials_free(struct credentials *c)
{
    if (!c)
        return;
    free(c->bearer);
    free(c->peer);
    free(c);
}

char *http_request_query(_unused_ const struct http_request *r, _unused_ const char *name)
{
    return xstrdup("true");
}

json_t *agent_json_of_host(_unused_ const struct fleet_host *h)
{
    return json_null();
}

void auth_check(_unused_ struct auth *a,
                _unused_ const struct auth_proof *proof,
                auth_identity_fn done,
                void *owner)
{
    done(owner, 0, &caller);
}

struct auth_watch *auth_watch_start(_unused_ struct auth *a,
                                    _unused_ const struct auth_proof *proof,
                                    _unused_ const struct identity *who,
                                    auth_watch_fn ended,
                                    void *owner)
{
    on_ended = ended;
    ended_owner = owner;
    return NULL;
}

void auth_watch_cancel(_unused_ struct auth_watch *w)
{
}

/* --- the fixture ------------------------------------------------------------------------------ */

struct fixture {
    struct fleet *fleet;
    struct feed *feed;
    struct fleet_host *h;
    struct feed_listener listener;
    unsigned n_watched;
};

static void on_watched(struct feed_listener *l, const char *host_id)
{
    struct fixture *f = CONTAINER_OF(l, struct fixture, listener);

    (void)host_id;
    f->n_watched++;
}

static struct fleet_host *put_host(struct fixture *f, const char *id)
{
    struct host row = {.id = (char *)(uintptr_t)id, .name = (char *)(uintptr_t)id};

    return fleet_put_host(f->fleet, &row, NULL);
}

static json_t *element(const char *id, const char *name, const char *team)
{
    return json_pack("{s:s, s:[s], s:s, s:{s:s}}", "Id", id, "Names", name, "State", "running",
                     "Labels", "team", team);
}

/* Labels are cut, but not descriptions of networks. */
static json_t *large_element(const char *id, const char *name, const char *text)
{
    json_t *e = element(id, name, "x");

    json_text_set(e, "Ports", json_pack("[{s:s}]", "Type", text));
    return e;
}

/* Takes ownership of `list`. */
static void put_containers(struct fixture *f, json_t *list)
{
    (void)fleet_apply_snapshot(f->h, list, 1);
    json_decref(list);
    fleet_notify_containers(f->fleet, f->h);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    caller = (struct identity){.user_id = 1, .name = "u", .role = ROLE_OPERATOR};
    f->fleet = fleet_new();
    f->feed = feed_new(
        &(struct feed_options){.auth = (struct auth *)(void *)f, /* see auth_check() */
                               .fleet = f->fleet,
                               .max_queue = MAX_QUEUE});
    f->listener.on_watched = on_watched;
    feed_add_listener(f->feed, &f->listener);
    f->h = put_host(f, "h");
    put_containers(f, json_pack("[o, o]", element(ID_A, "/a", "x"), element(ID_B, "/b", "y")));
    fake_advance(TICK_MS);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    feed_free(f->feed);
    fleet_free(f->fleet);
    free(f);
    assert_int_equal(fake_timers_running(), 0);
    return 0;
}

static struct ws *dial(struct fixture *f)
{
    struct http_request r = {.peer = "192.0.2.1"};
    static const struct ws_rules rules = {
        .role = ROLE_VIEWER,
        .limits = {.max_message = (size_t)64 * 1024, .max_queue = (size_t)16 << 20},
    };
    struct ws_accept accept;

    feed_accept(f->feed, &r, &rules, &accept);
    return fake_ws_new(&accept, "192.0.2.1");
}

/* Returns the next message, which must have this type. */
static const json_t *expect(struct ws *ws, const char *type)
{
    const json_t *m = fake_ws_next(ws);

    assert_non_null(m);
    assert_string_equal(json_text_get(m, "type"), type);
    return m;
}

static void subscribe(struct ws *ws, const char *topic)
{
    fake_ws_receive_json(ws, json_pack("{s:s, s:[s]}", "type", "subscribe", "topics", topic));
    (void)expect(ws, "subscribed");
}

static size_t count_elements(const json_t *m, const char *section)
{
    return json_array_size(json_object_get(m, section));
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_state_is_followed_by_one_update_per_tick(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = dial(f);
    const json_t *m;

    assert_null(fake_ws_next(ws)); /* nothing before a subscription */
    subscribe(ws, "containers");
    m = expect(ws, "state");
    assert_int_equal(count_elements(m, "containers"), 2);
    assert_true(json_is_false(json_object_get(m, "complete")));
    assert_true(json_is_true(json_object_get(m, "last")));
    fake_advance(TICK_MS);
    assert_null(fake_ws_next(ws)); /* the client has everything */

    for (int i = 0; i < 50; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "/a%d", i);
        put_containers(f, json_pack("[o, o]", element(ID_A, name, "x"), element(ID_B, "/b", "y")));
    }
    put_containers(f, json_pack("[o]", element(ID_A, "/last", "x")));
    assert_int_equal(ws->n_sent, 2);
    fake_advance(TICK_MS);
    m = expect(ws, "update");
    assert_int_equal(count_elements(m, "containers"), 1);
    assert_string_equal(json_text_get(json_array_get(json_object_get(m, "containers"), 0), "name"),
                        "last");
    assert_string_equal(json_text_get(json_array_get(json_object_get(m, "removed"), 0), "id"),
                        "bbbbbbbbbbbb");
    assert_int_equal(count_elements(m, "hosts"), 0); /* not subscribed to */
    assert_null(fake_ws_next(ws));
    fake_ws_end(ws, 1000);
}

static void test_slow_client_gets_the_state_again(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = dial(f);
    const json_t *m;

    subscribe(ws, "containers");
    assert_int_equal(ws->limits.max_queue, MAX_QUEUE);
    (void)expect(ws, "state");
    ws->send_code = -ENOBUFS;
    ws->queued = 1;
    put_containers(f, json_pack("[o, o]", element(ID_A, "/a1", "x"), element(ID_B, "/b", "y")));
    fake_advance(TICK_MS);
    ws->send_code = 0; /* the queue has room again, but has not drained */
    put_containers(f, json_pack("[o]", element(ID_A, "/a2", "x")));
    fake_advance(TICK_MS);
    assert_null(fake_ws_next(ws));

    fake_ws_drain(ws);
    m = expect(ws, "state");
    assert_string_equal(json_text_get(m, "reason"), "behind");
    assert_true(json_is_true(json_object_get(m, "complete")));
    assert_int_equal(count_elements(m, "containers"), 1);
    put_containers(f, json_pack("[o]", element(ID_A, "/a3", "x")));
    fake_advance(TICK_MS);
    (void)expect(ws, "update");
    fake_ws_end(ws, 1000);
}

static void test_large_state_is_sent_in_parts(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *large = xcalloc(1, 100001);
    struct ws *ws = dial(f);
    json_t *list = json_array();
    const json_t *m;
    size_t n = 0;

    memset(large, 'x', 100000);
    for (int i = 0; i < 10; i++) {
        char id[65];

        (void)snprintf(id, sizeof(id), "%064d", i);
        json_array_append_new(list, large_element(id, "/c", large));
    }
    put_containers(f, list);
    fake_advance(TICK_MS);
    subscribe(ws, "containers/h");
    for (int part = 0;; part++) {
        m = expect(ws, "state");
        assert_int_equal(json_integer_value(json_object_get(m, "part")), part);
        n += count_elements(m, "containers");
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
    (void)expect(ws, "unsubscribed");
    subscribe(ws, "containers");
    (void)expect(ws, "state");
    subscribe(ws, "hosts");
    m = expect(ws, "state");
    assert_true(json_is_true(json_object_get(m, "complete")));
    assert_int_equal(json_integer_value(json_object_get(m, "part")), 0);
    assert_int_equal(count_elements(m, "hosts"), 1);
    fake_ws_end(ws, 1000);
}

static void test_new_samples_of_watched_containers_are_sent(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = dial(f);
    const struct fleet_sample s = {.sampled_at_ms = 1000, .cpu_percent = 12.5};
    const json_t *m;

    subscribe(ws, "stats/h/" A12);
    assert_int_equal(count_elements(expect(ws, "state"), "stats"), 0);
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
    m = expect(ws, "update");
    assert_int_equal(count_elements(m, "stats"), 1);
    assert_int_equal(count_elements(m, "host_stats"), 0);
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
    struct ws *ws = dial(f);

    subscribe(ws, "hosts");
    (void)expect(ws, "state");
    for (int i = 0; i < 1100; i++) {
        char id[16];

        (void)snprintf(id, sizeof(id), "g%d", i);
        (void)put_host(f, id);
        fleet_remove_host(f->fleet, id);
    }
    fleet_notify_containers(f->fleet, f->h);
    fake_advance(TICK_MS);
    assert_string_equal(json_text_get(expect(ws, "state"), "reason"), "too_much");
    fake_ws_end(ws, 1000);
}

/* The changes exceed a frame: news are sent at once, and the state in parts. */
static void test_large_changes_are_sent_in_parts(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *large = xcalloc(1, 700001);
    struct ws *ws = dial(f);
    const json_t *m;
    json_t *step;

    subscribe(ws, "containers");
    (void)expect(ws, "state");
    fake_ws_receive_json(ws, json_pack("{s:s, s:[s]}", "type", "subscribe", "topics", "progress"));
    (void)expect(ws, "subscribed");
    (void)expect(ws, "state");
    memset(large, 'x', 700000);
    put_containers(
        f, json_pack("[o, o]", large_element(ID_A, "/a", large), large_element(ID_B, "/b", large)));
    step = json_pack("{s:s, s:s}", "host_id", "h", "stage", "pulling");
    fleet_notify_progress(f->fleet, "container_update_progress", step);
    json_decref(step);
    fake_advance(TICK_MS);
    m = expect(ws, "update");
    assert_int_equal(count_elements(m, "containers"), 0);
    assert_int_equal(count_elements(m, "progress"), 1);
    m = expect(ws, "state");
    assert_string_equal(json_text_get(m, "reason"), "too_much");
    assert_true(json_is_true(json_object_get(m, "complete")));
    assert_int_equal(count_elements(m, "containers"), 1);
    fake_ws_drain(ws);
    assert_int_equal(count_elements(expect(ws, "state"), "containers"), 1);
    assert_null(fake_ws_next(ws));

    /* A message that exceeds an empty queue can never be sent: the client is closed. */
    ws->send_code = -ENOBUFS;
    put_containers(f, json_pack("[o]", element(ID_A, "/a", "x")));
    fake_advance(TICK_MS);
    assert_int_equal(ws->close_code, 1009);
    fake_ws_end(ws, 1009);
}

static void limit_to(const char *rule)
{
    assert_int_equal(scope_rules_add(&caller.scope.own, rule, NULL, NULL, NULL), 0);
}

static void test_scope_limits_containers(void **state)
{
    struct fixture *f = *state;
    struct ws *ws;
    const json_t *m;

    limit_to("label=team=x");
    ws = dial(f);
    subscribe(ws, "containers");
    m = expect(ws, "state");
    assert_int_equal(count_elements(m, "containers"), 1);

    /* b changes and is removed, a leaves the scope: only the latter is sent. */
    put_containers(f, json_pack("[o, o]", element(ID_A, "/a", "x"), element(ID_B, "/b2", "y")));
    fake_advance(TICK_MS);
    assert_null(fake_ws_next(ws));
    put_containers(f, json_pack("[o]", element(ID_A, "/a", "z")));
    fake_advance(TICK_MS);
    m = expect(ws, "update");
    assert_int_equal(count_elements(m, "containers"), 0);
    assert_int_equal(count_elements(m, "removed"), 1);
    put_containers(f, json_pack("[o]", element(ID_A, "/a2", "z")));
    fake_advance(TICK_MS);
    assert_null(fake_ws_next(ws));
    put_containers(f, json_pack("[o]", element(ID_A, "/a2", "x")));
    fake_advance(TICK_MS);
    assert_int_equal(count_elements(expect(ws, "update"), "containers"), 1);
    fake_ws_end(ws, 1000);
}

static void test_client_is_closed_when_its_rights_end(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = dial(f);

    subscribe(ws, "containers");
    (void)expect(ws, "state");
    on_ended(ended_owner, "Logged out");
    assert_int_equal(ws->close_code, 1008);
    assert_string_equal(ws->close_reason, "Logged out");
    put_containers(f, json_pack("[o]", element(ID_A, "/a2", "x")));
    fake_advance(TICK_MS);
    assert_null(fake_ws_next(ws));
    fake_ws_end(ws, 1008);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

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
