#include "server/session/session.h"

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
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "server/session/fake_net.h"
#include "server/session/store_fixture.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

struct fixture {
    struct store_fixture store;
    uv_loop_t uv;
    struct job_queue *jobs, *parse_jobs;
    struct fleet *fleet;
    struct sessions *sessions;
    unsigned n_host_changes, n_container_changes, n_events;
    char last_event[64];
};

static void on_host_changed(void *owner, _unused_ const struct fleet_host *h)
{
    ((struct fixture *)owner)->n_host_changes++;
}

static void on_containers_changed(void *owner, _unused_ const struct fleet_host *h)
{
    ((struct fixture *)owner)->n_container_changes++;
}

static void on_event(void *owner, const struct event *e)
{
    struct fixture *f = owner;

    f->n_events++;
    str_copy(f->last_event, sizeof(f->last_event), e->type);
}

static int setup_limited(void **state, unsigned max_waiting)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    log_set_level(LOG_LEVEL_ERROR);
    store_fixture_init(&f->store);
    assert_int_equal(uv_loop_init(&f->uv), 0);
    f->jobs = job_queue_new(&f->uv, 1, max_waiting);
    f->parse_jobs = job_queue_new(&f->uv, 1, 2);
    f->fleet = fleet_new();
    f->sessions = sessions_new(&(struct sessions_options){
        .store_jobs = f->jobs,
        .parse_jobs = f->parse_jobs,
        .store = f->store.store,
        .fleet = f->fleet,
        .poll_interval_ms = 2000,
        .observer = {.on_host_changed = on_host_changed,
                     .on_containers_changed = on_containers_changed,
                     .on_event = on_event,
                     .owner = f},
    });
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_limited(state, 100);
}

static int setup_no_queue(void **state)
{
    return setup_limited(state, 0);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sessions_free(f->sessions);
    fleet_free(f->fleet);
    job_queue_free(f->jobs);
    job_queue_free(f->parse_jobs);
    (void)uv_run(&f->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->uv), 0);
    store_fixture_done(&f->store);
    free(f);
    return fake_timers_running() == 0 ? 0 : -1;
}

static struct ws *dial(struct fixture *f, const char *peer)
{
    struct ws_accept accept;

    sessions_accept(f->sessions, &accept);
    return fake_ws_new(&accept, peer);
}

static void run_jobs(struct fixture *f)
{
    job_queue_drain(f->jobs);
}

static json_t *register_message(const char *token,
                                const char *engine,
                                const char *name,
                                bool is_ours)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:b, s:b}}", "type", "register", "token",
                     token, "engine_id", engine, "hostname", name, "version", "1.0",
                     "proto_version", "1.1", "capabilities", "inventory", is_ours, "event_replay",
                     is_ours);
}

struct joined {
    char agent_id[64], host_id[64], token[80];
};

static const char *text_of(const json_t *m, const char *key)
{
    const char *s = json_string_value(json_object_get(m, key));

    return s ? s : "(none)";
}

static void expect_success(struct ws *ws, struct joined *ret)
{
    const json_t *m = fake_ws_next(ws);

    assert_non_null(m);
    assert_string_equal(text_of(m, "type"), "auth_success");
    str_copy(ret->agent_id, sizeof(ret->agent_id), text_of(m, "agent_id"));
    str_copy(ret->host_id, sizeof(ret->host_id), text_of(m, "host_id"));
    str_copy(ret->token, sizeof(ret->token), text_of(m, "permanent_token"));
    assert_int_equal(ws->close_code, 0);
}

static struct ws *join_with(
    struct fixture *f, const char *token, const char *name, bool is_ours, struct joined *ret)
{
    struct ws *ws = dial(f, "192.0.2.1");

    fake_ws_receive_json(ws, register_message(token, name, name, is_ours));
    run_jobs(f);
    expect_success(ws, ret);
    return ws;
}

static struct ws *join(struct fixture *f, const char *name, bool is_ours, struct joined *ret)
{
    _cleanup_free_ char *token = store_fixture_token(f->store.store, false, time_utc_ms());

    return join_with(f, token, name, is_ours, ret);
}

static json_t *container(const char *id, const char *name, const char *state)
{
    return json_pack("{s:s, s:[s], s:s, s:i}", "Id", id, "Names", name, "State", state, "Created",
                     1700000000);
}

static void send_event(struct ws *ws, const char *command, json_t *payload)
{
    fake_ws_receive_json(
        ws, json_pack("{s:s, s:s, s:o}", "type", "event", "command", command, "payload", payload));
}

static unsigned n_stored;
static void count_event(_unused_ void *arg, _unused_ const struct event *e)
{
    n_stored++;
}

static unsigned stored(struct fixture *f, const char *type)
{
    int64_t total;

    n_stored = 0;
    assert_int_equal(events_list(f->store.store, &(struct events_query){.type = type, .limit = 100},
                                 count_event, NULL, &total, NULL),
                     0);
    return n_stored;
}

static void expect_refused(struct ws *ws, const char *error, unsigned code)
{
    const json_t *m = fake_ws_next(ws);

    assert_non_null(m);
    assert_string_equal(text_of(m, "type"), "auth_error");
    if (!strstr(text_of(m, "error"), error))
        fail_msg("'%s' is not in: %s", error, text_of(m, "error"));
    assert_int_equal(ws->close_code, code);
}

static void test_register(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = join(f, "web", true, &j);
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
    assert_null(fake_ws_next(ws)); /* one that pushes is not polled */

    run_jobs(f);
    assert_string_equal(f->last_event, "host_added");
    fake_ws_end(ws, 1006);
    assert_false(h->is_online);
    run_jobs(f);
    assert_int_equal(stored(f, "host_disconnected"), 1);
    assert_string_equal(f->last_event, "host_disconnected");

    ws = join_with(f, j.token, "web", true, &j);
    run_jobs(f);
    assert_int_equal(stored(f, "host_connected"), 1);
    assert_true(h->is_online);
    fake_ws_end(ws, 1000);
}

static void test_bad_first_frame(void **state)
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
        struct ws *ws = dial(f, "192.0.2.1");

        assert_int_equal(ws->limits.max_message, 64 * 1024);
        fake_ws_receive(ws, table[i].frame);
        expect_refused(ws, table[i].error, 1008);
        fake_ws_receive(ws, "{}"); /* nothing counts any more */
        assert_null(fake_ws_next(ws));
        fake_ws_end(ws, 1008);
    }
    {
        struct ws *ws = dial(f, "192.0.2.1");

        ws->handler->on_message(ws->owner, "{}", 2, true);
        expect_refused(ws, "must be a JSON object", 1008);
        fake_ws_end(ws, 1008);
    }
}

static void test_refused_token(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = dial(f, "192.0.2.1");

    fake_ws_receive_json(ws, register_message("nonsense", "E", "x", false));
    assert_int_equal(ws->close_code, 0);
    run_jobs(f);
    expect_refused(ws, "Invalid registration token", 1008);
    assert_string_equal(ws->close_reason, "Authentication failed");
    fake_ws_end(ws, 1008);
}

static void test_auth_timeout(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = dial(f, "192.0.2.1");

    fake_advance(29999);
    assert_int_equal(ws->close_code, 0);
    fake_advance(1);
    expect_refused(ws, "Authentication timeout", 1008);
    fake_ws_end(ws, 1008);
}

static void test_gone_while_registering(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *token = store_fixture_token(f->store.store, false, time_utc_ms());
    struct ws *ws = dial(f, "192.0.2.1");

    fake_ws_receive_json(ws, register_message(token, "E", "x", false));
    fake_ws_end(ws, 1006);
    run_jobs(f);
    assert_int_equal(fleet_hosts(f->fleet)->size,
                     1); /* it is in the store, so it is in the fleet */
    assert_false(((struct fleet_host *)map_next(fleet_hosts(f->fleet), NULL)->value)->is_online);
}

static void test_busy(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *token = store_fixture_token(f->store.store, true, time_utc_ms());
    struct ws *a = dial(f, "192.0.2.1"), *b = dial(f, "192.0.2.2");
    struct joined j;

    fake_ws_receive_json(a, register_message(token, "E1", "a", true));
    fake_ws_receive_json(b, register_message(token, "E2", "b", true));
    expect_refused(b, "server busy", 1013);
    run_jobs(f);
    expect_success(a, &j);
    fake_ws_end(a, 1000);
    fake_ws_end(b, 1013);
}

struct outcome {
    unsigned n_calls;
    int code;
};

static void on_command(void *owner, const struct command_result *r)
{
    struct outcome *o = owner;

    o->n_calls++;
    o->code = r->code;
}

static void start_command(struct fixture *f, const char *agent_id, struct outcome *o)
{
    command_start(sessions_commands(f->sessions),
                  &(struct command_request){.agent_id = agent_id,
                                            .type = "container_operation",
                                            .name = "start",
                                            .timeout_ms = 30000,
                                            .done = on_command,
                                            .owner = o});
}

static void no_work(_unused_ void *job)
{
}

static void test_supersede(void **state)
{
    struct fixture *f = *state;
    struct joined j, k;
    struct ws *old = join(f, "web", true, &j), *now;
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);
    unsigned n_changes;

    now = join_with(f, j.token, "web", true, &k);
    assert_string_equal(j.agent_id, k.agent_id);
    assert_int_equal(old->close_code, 1000);
    assert_string_equal(old->close_reason, "New connection established");

    /* The old one's end does not touch the new one. */
    n_changes = f->n_host_changes;
    send_event(old, "container_event",
               json_pack("{s:s, s:s}", "container_id", ID_A, "action", "start"));
    fake_ws_end(old, 1000);
    assert_true(h->is_online);
    assert_int_equal(f->n_host_changes, n_changes);
    run_jobs(f);
    assert_int_equal(stored(f, "host_disconnected"), 0);
    assert_int_equal(stored(f, "started"), 0);
    assert_int_equal(stored(f, "agent_superseded"), 1);

    /* Two machines with one data directory: told once, not at every turn. */
    for (int i = 0; i < 3; i++) {
        old = now;
        now = join_with(f, j.token, "web", true, &k);
        fake_ws_end(old, 1000);
    }
    run_jobs(f);
    assert_int_equal(stored(f, "agent_superseded"), 1);
    fake_ws_end(now, 1000);
    assert_false(h->is_online);
}

static void test_commands(void **state)
{
    struct fixture *f = *state;
    struct joined ja, jb;
    struct ws *a = join(f, "a", true, &ja), *b = join(f, "b", true, &jb);
    struct outcome o = {0}, gone = {0}, late = {0};
    const json_t *m;

    start_command(f, ja.agent_id, &o);
    m = fake_ws_next(a);
    assert_string_equal(text_of(m, "type"), "container_operation");
    assert_null(fake_ws_next(b));
    fake_ws_receive_json(
        b, json_pack("{s:O, s:b}", "correlation_id", json_object_get(m, "id"), "success", 1));
    assert_int_equal(o.n_calls, 0);
    fake_ws_receive_json(
        a, json_pack("{s:O, s:b}", "correlation_id", json_object_get(m, "id"), "success", 1));
    assert_int_equal(o.n_calls, 1);
    assert_int_equal(o.code, 0);

    start_command(f, ja.agent_id, &gone);
    fake_ws_end(a, 1006);
    assert_int_equal(gone.n_calls, 1);
    assert_int_equal(gone.code, -ENOTCONN);
    start_command(f, ja.agent_id, &late);
    fake_advance(0);
    assert_int_equal(late.code, -ENOTCONN);
    fake_ws_end(b, 1000);
}

static void answer_list(struct ws *ws, json_t *list)
{
    const json_t *m = fake_ws_next(ws);

    assert_non_null(m);
    assert_string_equal(text_of(m, "command"), "list_containers");
    fake_ws_receive_json(ws, json_pack("{s:s, s:O, s:o}", "type", "response", "id",
                                       json_object_get(m, "id"), "payload", list));
}

static void test_polling(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = join(f, "go", false, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);

    fake_advance(0);
    answer_list(ws, json_pack("[o, o, {}]", container(ID_A, "/one", "running"),
                              container(ID_B, "/two", "dead")));
    assert_int_equal(h->containers.size, 2);
    assert_int_equal(f->n_container_changes, 1);

    fake_advance(1999);
    assert_null(fake_ws_next(ws));
    fake_advance(1);
    answer_list(ws, json_pack("[o, o]", container(ID_A, "/one", "running"),
                              container(ID_B, "/two", "dead")));
    assert_int_equal(f->n_container_changes, 1); /* the same list is no news */

    /* Asked to hurry: now, and while one is on its way, right after it. */
    sessions_refresh(f->sessions, j.agent_id);
    fake_advance(0);
    sessions_refresh(f->sessions, j.agent_id);
    answer_list(ws, json_pack("[o]", container(ID_A, "/one", "running")));
    assert_int_equal(h->containers.size, 1);
    fake_advance(100);
    answer_list(ws, json_pack("[o]", container(ID_A, "/one", "exited")));
    assert_int_equal(f->n_container_changes, 3);

    /* An event of a polled agent is a reason to look, once for a group of them, and none to wait longer. */
    for (int i = 0; i < 2; i++) {
        send_event(ws, "container_event",
                   json_pack("{s:s, s:s}", "container_id", ID_A, "action", "start"));
        fake_advance(50);
    }
    fake_ws_receive_json(ws, json_pack("{s:s, s:O, s:s}", "type", "response", "id",
                                       json_object_get(fake_ws_next(ws), "id"), "error", "no"));
    assert_int_equal(h->containers.size, 1); /* no answer is not an empty list */
    fake_advance(3999);
    assert_null(fake_ws_next(ws)); /* failing: every 4 s, 8 s, ... */
    fake_advance(1);
    answer_list(ws, json_pack("{s:i}", "not", 1));
    fake_advance(7999);
    assert_null(fake_ws_next(ws));
    fake_advance(1);
    answer_list(ws, json_array());
    assert_int_equal(h->containers.size, 0);

    fake_ws_end(ws, 1000);
    fake_advance(60000);
}

static json_t *part(const char *id, int number, bool is_last, json_t *containers)
{
    return json_pack("{s:s, s:i, s:b, s:o}", "snapshot_id", id, "part", number, "last", is_last,
                     "containers", containers);
}

static void test_inventory(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = join(f, "own", true, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);
    struct fleet_container *c = NULL;

    send_event(ws, "inventory_snapshot",
               part("s1", 0, false, json_pack("[o]", container(ID_A, "/a", "running"))));
    assert_int_equal(h->containers.size, 0);
    /* Younger than the snapshot, though it comes before its end. */
    send_event(ws, "inventory_delta",
               json_pack("{s:[o], s:[s]}", "containers", container(ID_A, "/a2", "paused"),
                         "removed", ID_C));
    send_event(ws, "inventory_snapshot",
               part("s1", 1, true,
                    json_pack("[o, o]", container(ID_B, "/b", "running"),
                              container(ID_C, "/c", "running"))));
    assert_int_equal(h->containers.size, 2);
    assert_int_equal(f->n_container_changes, 1);
    assert_int_equal(fleet_find_container(h, "a2", &c), 0);
    assert_string_equal(c->state, "paused");

    send_event(ws, "inventory_delta", json_pack("{s:[], s:[s]}", "containers", "removed", ID_A));
    assert_int_equal(h->containers.size, 1);

    /* Out of order, of another snapshot, or nonsense: not applied, and the link stays. */
    send_event(ws, "inventory_snapshot", part("s2", 1, true, json_array()));
    send_event(ws, "inventory_snapshot", part("s3", 0, false, json_array()));
    send_event(ws, "inventory_snapshot", part("s4", 1, true, json_array()));
    send_event(ws, "inventory_snapshot", part("s5", 0, false, json_array()));
    send_event(ws, "inventory_snapshot", part("s5", 2, true, json_array()));
    send_event(ws, "inventory_snapshot", json_pack("{s:i}", "part", 0));
    send_event(ws, "inventory_delta", json_pack("{s:i}", "containers", 0));
    send_event(ws, "inventory_delta", json_array());
    assert_int_equal(h->containers.size, 1);
    assert_int_equal(ws->close_code, 0);

    send_event(ws, "inventory_snapshot", part("s5", 0, true, json_array()));
    assert_int_equal(h->containers.size, 0);
    fake_ws_end(ws, 1000);
}

static void test_snapshot_limit(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = join(f, "own", true, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);

    for (int p = 0; p < 3; p++) {
        json_t *list = json_array();

        for (int i = 0; i < 2000; i++) {
            char id[65];

            (void)snprintf(id, sizeof(id), "%064d", p * 2000 + i);
            json_array_append_new(list, container(id, "/x", "running"));
        }
        send_event(ws, "inventory_snapshot", part("big", p, p == 2, list));
    }
    assert_int_equal(h->containers.size, 0);
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

static void test_large_messages(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = join(f, "own", true, &j);
    struct outcome o = {0};
    _cleanup_free_ char *reply = NULL;

    /* One over the limit goes through a worker, and nothing is read before it is done. */
    start_command(f, j.agent_id, &o);
    reply = xasprintf("{\"correlation_id\":\"%s\",\"success\":true}",
                      text_of(fake_ws_next(ws), "id"));
    receive_padded(ws, reply, 300000);
    assert_true(ws->is_paused);
    assert_int_equal(o.n_calls, 0);
    job_queue_drain(f->parse_jobs);
    assert_false(ws->is_paused);
    assert_int_equal(o.n_calls, 1);
    assert_int_equal(o.code, 0);

    /* The session ends meanwhile, or is superseded. */
    receive_padded(ws, "{}", 300000);
    fake_ws_end(ws, 1006);
    job_queue_drain(f->parse_jobs);
    ws = join_with(f, j.token, "own", true, &j);
    receive_padded(ws, "[]", 300000);
    sessions_drop_agent(f->sessions, j.agent_id, "Host deleted");
    job_queue_drain(f->parse_jobs);
    assert_false(ws->is_paused);
    fake_ws_end(ws, 1008);

    ws = join_with(f, j.token, "own", true, &j);
    receive_padded(ws, "{\"a\"", 300000);
    job_queue_drain(f->parse_jobs);
    assert_int_equal(ws->close_code, 1008);
    fake_ws_end(ws, 1008);

    /* No worker is free: on the loop. */
    ws = join_with(f, j.token, "own", true, &j);
    for (int i = 0; i < 3; i++)
        assert_int_equal(job_submit(f->parse_jobs, f, no_work, no_work), 0);
    receive_padded(ws, "[]", 300000);
    assert_int_equal(ws->close_code, 1008);
    job_queue_drain(f->parse_jobs);
    fake_ws_end(ws, 1008);
}

static void test_container_events(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = join(f, "own", true, &j);
    int64_t since = 0;

    for (int i = 0; i < 2; i++) {
        /* Sent again after a reconnect: stored once. */
        send_event(ws, "container_event",
                   json_pack("{s:s, s:s, s:s, s:I}", "container_id", ID_A, "container_name", "web",
                             "action", "start", "time_nano",
                             (json_int_t)INT64_C(1700000000123456789)));
    }
    run_jobs(f);
    assert_int_equal(stored(f, "started"), 1);
    assert_int_equal(f->n_events, 2); /* host_added, started */
    assert_int_equal(events_newest_engine_ns(f->store.store, j.host_id, &since, NULL), 0);
    assert_int_equal(since, INT64_C(1700000000123456789));

    /* Without a time in ns (Go agents) two are two. */
    for (int i = 0; i < 2; i++) {
        send_event(ws, "container_event",
                   json_pack("{s:s, s:s, s:s}", "container_id", ID_A, "action", "restart",
                             "timestamp", "2026-01-01T00:00:00+01:00"));
    }
    send_event(ws, "container_event",
               json_pack("{s:s, s:s}", "container_id", ID_A, "action", "exec_start: sh"));
    send_event(ws, "container_event", json_pack("{s:i}", "container_id", 1));
    run_jobs(f);
    assert_int_equal(stored(f, "restarted"), 2);
    assert_int_equal(f->n_events, 4);
    assert_int_equal(ws->close_code, 0);

    /* On reconnect the agent learns where to go on. */
    fake_ws_end(ws, 1006);
    ws = join_with(f, j.token, "own", true, &j);
    assert_int_equal(json_integer_value(json_object_get(ws->sent[0], "events_since")),
                     INT64_C(1700000000123456789));
    fake_ws_end(ws, 1000);
}

static void test_stats(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = join(f, "own", true, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);
    struct fleet_container *c = NULL;

    send_event(ws, "inventory_snapshot",
               part("s", 0, true, json_pack("[o]", container(ID_A, "/a", "running"))));
    send_event(ws, "container_stats",
               json_pack("{s:s, s:f, s:i, s:i}", "container_id", ID_A, "cpu_percent", 12.5,
                         "memory_usage", 1000, "network_rx", 77));
    send_event(ws, "container_stats",
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

    /* A change of the container keeps its figures. */
    send_event(ws, "inventory_delta",
               json_pack("{s:[o]}", "containers", container(ID_A, "/a", "paused")));
    assert_int_equal(fleet_find_container(h, ID_A, &c), 0);
    assert_int_equal(c->sample.memory_usage, 1000);
    fake_ws_end(ws, 1000);
}

static void test_odd_messages(void **state)
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
    };
    static const char *const fatal[] = {"", "{", "[]", "null", "7", "{\"a\":1,\"a\":2}"};
    struct fixture *f = *state;
    struct joined j, other;
    struct ws *bystander = join(f, "bystander", true, &other);
    struct ws *ws = join(f, "own", true, &j);

    for (size_t i = 0; i < ARRAY_LEN(harmless); i++) {
        fake_ws_receive(ws, harmless[i]);
        assert_int_equal(ws->close_code, 0);
    }
    for (size_t i = 0; i <= ARRAY_LEN(fatal); i++) {
        if (i < ARRAY_LEN(fatal)) {
            fake_ws_receive(ws, fatal[i]);
        } else {
            ws->handler->on_message(ws->owner, "\x81", 1, true);
        }
        assert_int_equal(ws->close_code, 1008);
        assert_string_not_equal(ws->close_reason, "");
        assert_false(fleet_find_host(f->fleet, j.host_id)->is_online);
        fake_ws_end(ws, 1008);
        ws = join_with(f, j.token, "own", true, &j);
    }
    assert_true(fleet_find_host(f->fleet, other.host_id)->is_online);
    assert_int_equal(bystander->close_code, 0);
    fake_ws_end(ws, 1000);
    fake_ws_end(bystander, 1000);
}

static void test_drop(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = join(f, "own", true, &j);
    struct outcome o = {0};

    run_jobs(f);
    start_command(f, j.agent_id, &o);
    assert_int_equal(hosts_delete(f->store.store, j.host_id, NULL), 0);
    fleet_remove_host(f->fleet, j.host_id);
    sessions_drop_agent(f->sessions, j.agent_id, "Host deleted");
    assert_int_equal(ws->close_code, 1008);
    assert_string_equal(ws->close_reason, "Host deleted");
    assert_int_equal(o.code, -ENOTCONN);
    send_event(ws, "container_event",
               json_pack("{s:s, s:s}", "container_id", ID_A, "action", "start"));
    ws->handler->on_pong(ws->owner);
    fake_ws_end(ws, 1008);
    run_jobs(f);
    assert_int_equal(stored(f, NULL), 0);

    ws = dial(f, "192.0.2.1");
    fake_ws_receive_json(ws, register_message(j.token, "own", "own", true));
    run_jobs(f);
    expect_refused(ws, "Invalid registration token", 1008);
    fake_ws_end(ws, 1008);
}

/* The host goes while its agent is at work: no event of it comes back. */
static void test_deleted_under_its_feet(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = join(f, "own", false, &j);

    fake_advance(0);
    fleet_remove_host(f->fleet, j.host_id);
    answer_list(ws, json_array());
    send_event(ws, "container_event",
               json_pack("{s:s, s:s}", "container_id", ID_A, "action", "start"));
    send_event(ws, "inventory_delta", json_object());
    send_event(ws, "container_stats", json_pack("{s:s}", "container_id", ID_A));
    fake_ws_end(ws, 1000);
}

static void test_seen(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = join(f, "own", true, &j);
    struct fleet_host *h = fleet_find_host(f->fleet, j.host_id);
    _cleanup_(agent_done) struct agent a = {0};

    h->seen_at_ms = 0;
    ws->handler->on_pong(ws->owner);
    assert_true(h->seen_at_ms > 0);
    assert_int_equal(job_queue_pending(f->jobs) > 0,
                     f->n_events == 0); /* not one job for each pong */
    run_jobs(f);
    for (int i = 0; i < 100; i++)
        ws->handler->on_pong(ws->owner);
    assert_int_equal(job_queue_pending(f->jobs), 0);

    store_fixture_sql(f->store.store, "UPDATE agents SET last_seen_at_ms = 1");
    fake_ws_end(ws, 1000);
    run_jobs(f);
    assert_int_equal(agents_get(f->store.store, j.agent_id, &a, NULL), 0);
    assert_true(a.last_seen_at_ms > 1);
}

static void send_start(struct ws *ws)
{
    send_event(ws, "container_event",
               json_pack("{s:s, s:s}", "container_id", ID_A, "action", "start"));
}

static void test_store_queue_full(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = join(f, "own", true, &j);

    run_jobs(f);
    assert_int_equal(job_submit(f->jobs, f, no_work, no_work), 0);
    send_start(ws);
    send_start(ws);
    run_jobs(f);
    assert_int_equal(stored(f, "started"), 0);
    fake_advance(100);
    run_jobs(f);
    assert_int_equal(stored(f, "started"), 2);
    assert_string_equal(f->last_event, "started");

    /* For ever full: what an agent can send again it is made to send again. */
    assert_int_equal(job_submit(f->jobs, f, no_work, no_work), 0);
    for (int i = 0; i < 30000 && ws->close_code == 0; i++)
        send_start(ws);
    assert_int_equal(ws->close_code, 1013);
    fake_ws_end(ws, 1013);
    run_jobs(f);
}

static void test_free_stores_what_waits(void **state)
{
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = join(f, "own", true, &j);

    run_jobs(f);
    assert_int_equal(job_submit(f->jobs, f, no_work, no_work), 0);
    send_start(ws);
    sessions_free(f->sessions);
    f->sessions = NULL;
    assert_int_equal(stored(f, "started"), 1);
}

static void on_stopped(void *owner)
{
    ++*(unsigned *)owner;
}

static void test_stop_when_all_have_gone(void **state)
{
    struct fixture *f = *state;
    unsigned n_stopped = 0;
    struct joined j;
    struct ws *ws = join(f, "own", true, &j);

    sessions_stop(f->sessions, on_stopped, &n_stopped);
    fake_advance(10);
    assert_int_equal(n_stopped, 0);
    fake_ws_end(ws, 1001);
    assert_int_equal(n_stopped, 0);
    fake_advance(0);
    assert_int_equal(n_stopped, 1);
}

static void test_stop(void **state)
{
    unsigned n_stopped = 0;
    struct fixture *f = *state;
    struct joined j;
    struct ws *ws = join(f, "own", true, &j), *late;
    struct outcome o = {0};

    start_command(f, j.agent_id, &o);
    sessions_stop(f->sessions, on_stopped, &n_stopped);
    assert_int_equal(ws->close_code, 1001);
    assert_int_equal(o.code, -ENOTCONN);
    late = dial(f, "192.0.2.9");
    assert_int_equal(late->close_code, 1001);
    run_jobs(f);
    assert_int_equal(stored(f, "host_disconnected"), 0);
    fake_ws_end(ws, 1001);
    fake_advance(999);
    assert_int_equal(n_stopped, 0); /* `late` says nothing */
    fake_advance(1);
    assert_int_equal(n_stopped, 1);
    fake_advance(5000);
    assert_int_equal(n_stopped, 1);
    /* `late` is still open: sessions_free() takes it down. */
}

static void test_migration_in_fleet(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *id = store_fixture_host(f->store.store, "remote", "prod", "engine-1");
    _cleanup_free_ char *token = store_fixture_token(f->store.store, false, time_utc_ms());
    _cleanup_(host_done) struct host row = {0};
    struct ws *ws = dial(f, "192.0.2.1");
    struct joined j;

    assert_int_equal(hosts_get(f->store.store, id, &row, NULL), 0);
    (void)fleet_put_host(f->fleet, &row, NULL);
    fake_ws_receive_json(ws, register_message(token, "engine-1", "other", true));
    run_jobs(f);
    expect_success(ws, &j);
    assert_null(fleet_find_host(f->fleet, id));
    assert_string_equal(fleet_find_host(f->fleet, j.host_id)->row.name, "prod");
    run_jobs(f);
    assert_int_equal(stored(f, "host_migrated"), 1);
    fake_ws_end(ws, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_register, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_first_frame, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_token, setup, teardown),
        cmocka_unit_test_setup_teardown(test_auth_timeout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone_while_registering, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy, setup_no_queue, teardown),
        cmocka_unit_test_setup_teardown(test_supersede, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commands, setup, teardown),
        cmocka_unit_test_setup_teardown(test_polling, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inventory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_snapshot_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_container_events, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stats, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deleted_under_its_feet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_queue_full, setup_no_queue, teardown),
        cmocka_unit_test_setup_teardown(test_free_stores_what_waits, setup_no_queue, teardown),
        cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_when_all_have_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_migration_in_fleet, setup, teardown),
    };

    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
