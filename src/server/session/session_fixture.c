#include "server/session/session_fixture.h"

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

static struct fixture *fixture_of(struct fleet_listener *l)
{
    return CONTAINER_OF(l, struct fixture, listener);
}

static void on_host(struct fleet_listener *l, const struct fleet_host *h)
{
    (void)h;
    fixture_of(l)->n_host_changes++;
}

static void on_containers(struct fleet_listener *l, const struct fleet_host *h)
{
    (void)h;
    fixture_of(l)->n_container_changes++;
}

static void on_event(struct fleet_listener *l, const struct event *e)
{
    struct fixture *f = fixture_of(l);

    f->n_events++;
    str_copy(f->last_event, sizeof(f->last_event), e->type);
}

static void on_samples(struct fleet_listener *l,
                       const struct fleet_host *h,
                       const struct samples *batch)
{
    struct fixture *f = fixture_of(l);

    assert_non_null(h);
    assert_non_null(batch);
    f->n_batches++;
    f->n_samples += !batch->is_late;
    f->last_batch_ms = batch->at_ms;
    f->last_batch_containers = batch->n_containers;
}

static void on_progress(struct fleet_listener *l, const char *type, json_t *data)
{
    struct fixture *f = fixture_of(l);
    char *text = json_dumps(data, JSON_COMPACT);

    f->n_steps++;
    (void)snprintf(f->last_step, sizeof(f->last_step), "%s %s", type, text);
    free(text);
}

static int setup_limited(void **state, unsigned max_waiting)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    log_set_level(LOG_LEVEL_ERROR);
    store_fixture_init(&f->store);
    f->jobs = job_queue_new(NULL, 1, max_waiting);
    f->parse_jobs = job_queue_new(NULL, 1, 2);
    f->fleet = fleet_new();
    f->listener = (struct fleet_listener){
        .on_host = on_host,
        .on_containers = on_containers,
        .on_samples = on_samples,
        .on_event = on_event,
        .on_progress = on_progress,
    };
    fleet_add_listener(f->fleet, &f->listener);
    f->sessions = sessions_new(&(struct sessions_options){
        .store_jobs = f->jobs,
        .parse_jobs = f->parse_jobs,
        .store = f->store.store,
        .fleet = f->fleet,
        .poll_interval_ms = 2000,
    });
    *state = f;
    return 0;
}

int fixture_setup(void **state)
{
    return setup_limited(state, 100);
}

int fixture_setup_no_queue(void **state)
{
    return setup_limited(state, 0);
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    sessions_free(f->sessions);
    fleet_free(f->fleet);
    job_queue_free(f->jobs);
    job_queue_free(f->parse_jobs);
    store_fixture_done(&f->store);
    free(f);
    return fake_timers_running() == 0 ? 0 : -1;
}

struct ws *fixture_dial(struct fixture *f, const char *peer)
{
    static const struct ws_limits limits = {.max_message = (size_t)64 * 1024};
    struct ws_accept accept;

    sessions_accept(f->sessions, &limits, &accept);
    return fake_ws_new(&accept, peer);
}

void fixture_run_jobs(struct fixture *f)
{
    job_queue_drain(f->jobs);
}

struct db *fixture_store(struct fixture *f)
{
    fixture_run_jobs(f);
    return f->store.store;
}

json_t *agent_register(const char *token, const char *engine, const char *name, bool is_ours)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:b, s:b, s:b}}", "type", "register",
                     "token", token, "engine_id", engine, "hostname", name, "version", "1.0",
                     "proto_version", "1.1", "capabilities", "inventory", is_ours, "event_replay",
                     is_ours, "samples", is_ours);
}

const char *agent_text(const json_t *m, const char *key)
{
    const char *s = json_string_value(json_object_get(m, key));

    return s ? s : "(none)";
}

void agent_expect_success(struct ws *ws, struct joined *ret)
{
    const json_t *m = fake_ws_next(ws);

    assert_non_null(m);
    assert_string_equal(agent_text(m, "type"), "auth_success");
    str_copy(ret->agent_id, sizeof(ret->agent_id), agent_text(m, "agent_id"));
    str_copy(ret->host_id, sizeof(ret->host_id), agent_text(m, "host_id"));
    str_copy(ret->token, sizeof(ret->token), agent_text(m, "permanent_token"));
    assert_int_equal(ws->close_code, 0);
}

struct ws *fixture_join_with(
    struct fixture *f, const char *token, const char *name, bool is_ours, struct joined *ret)
{
    struct ws *ws = fixture_dial(f, "192.0.2.1");

    fake_ws_receive_json(ws, agent_register(token, name, name, is_ours));
    fixture_run_jobs(f);
    agent_expect_success(ws, ret);
    return ws;
}

struct ws *fixture_join(struct fixture *f, const char *name, bool is_ours, struct joined *ret)
{
    _cleanup_free_ char *token = store_fixture_token(fixture_store(f), false, time_utc_ms());

    return fixture_join_with(f, token, name, is_ours, ret);
}

json_t *agent_container(const char *id, const char *name, const char *state)
{
    return json_pack("{s:s, s:[s], s:s, s:i}", "Id", id, "Names", name, "State", state, "Created",
                     1700000000);
}

void agent_send_event(struct ws *ws, const char *command, json_t *payload)
{
    fake_ws_receive_json(
        ws, json_pack("{s:s, s:s, s:o}", "type", "event", "command", command, "payload", payload));
}

static unsigned n_stored;
static void count_event(_unused_ void *arg, _unused_ const struct event *e)
{
    n_stored++;
}

unsigned fixture_stored(struct fixture *f, const char *type)
{
    int64_t total;

    n_stored = 0;
    assert_int_equal(events_list(f->store.store,
                                 &(struct events_query){.type = type, .page.limit = 100},
                                 count_event, NULL, &total, NULL),
                     0);
    return n_stored;
}

void agent_expect_refused(struct ws *ws, const char *error, unsigned code)
{
    const json_t *m = fake_ws_next(ws);

    assert_non_null(m);
    assert_string_equal(agent_text(m, "type"), "auth_error");
    if (!strstr(agent_text(m, "error"), error))
        fail_msg("'%s' is not in: %s", error, agent_text(m, "error"));
    assert_int_equal(ws->close_code, code);
}

static void on_command(void *owner, const struct command_result *r)
{
    struct outcome *o = owner;

    o->n_calls++;
    o->code = r->code;
}

void fixture_command(struct fixture *f, const char *agent_id, struct outcome *o)
{
    command_start(sessions_commands(f->sessions),
                  &(struct command_request){.agent_id = agent_id,
                                            .operation = OPERATION_START,
                                            .timeout_ms = 30000,
                                            .done = on_command,
                                            .owner = o});
}

void fixture_no_work(_unused_ void *job)
{
}

void agent_answer_list(struct ws *ws, json_t *list)
{
    const json_t *m = fake_ws_next(ws);

    assert_non_null(m);
    assert_string_equal(agent_text(m, "command"), "list_containers");
    fake_ws_receive_json(ws, json_pack("{s:s, s:O, s:o}", "type", "response", "id",
                                       json_object_get(m, "id"), "payload", list));
}

json_t *agent_part(const char *id, int number, bool is_last, json_t *containers)
{
    return json_pack("{s:s, s:i, s:b, s:o}", "snapshot_id", id, "part", number, "last", is_last,
                     "containers", containers);
}

void agent_send_start(struct ws *ws)
{
    agent_send_event(ws, "container_event",
                     json_pack("{s:s, s:s}", "container_id", ID_A, "action", "start"));
}
