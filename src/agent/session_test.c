#include "agent/session.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/fake_engine.h"
#include "proto/json_text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

#define MAX_SENT    512
#define PATIENCE_MS 60000

#define STREAM_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
#define EVENT(action, id, time)                                                 \
    "{\"Type\":\"container\",\"Action\":\"" action "\",\"Actor\":{\"ID\":\"" id \
    "\",\"Attributes\":{\"name\":\"n\",\"image\":\"i\"}},\"time\":1,\"timeNano\":" time "}\n"

struct fixture {
    struct loop *loop;
    struct fake_engine *fake;
    struct engine *engine;
    struct facts *facts;
    struct events *events;
    struct exec_killer *killer;
    struct policy policy;
    struct session *session;
    json_t *sent[MAX_SENT];
    size_t n_sent, n_wanted;
    const char *wanted; /* text that the awaited message holds */
    int send_result;
    bool is_timed_out, is_stopped;
    struct loop_timer patience;
};

static void on_patience(struct loop_timer *t)
{
    struct fixture *f = CONTAINER_OF(t, struct fixture, patience);

    f->is_timed_out = true;
    loop_stop(f->loop);
}

static int on_send(void *owner, const char *text, size_t size)
{
    struct fixture *f = owner;
    struct error err = ERROR_INIT;

    if (f->send_result < 0)
        return f->send_result;
    assert_true(f->n_sent < MAX_SENT);
    f->sent[f->n_sent] = json_text_parse(text, size, 0, &err);
    if (!f->sent[f->n_sent])
        fail_msg("%s: %.200s", err.msg, text);
    f->n_sent++;
    if (f->wanted && strstr(text, f->wanted)) {
        f->wanted = NULL;
        loop_stop(f->loop);
    } else if (f->n_sent == f->n_wanted) {
        loop_stop(f->loop);
    }
    return 0;
}

static void run(struct fixture *f, uint64_t ms)
{
    f->is_timed_out = false;
    loop_timer_start(f->loop, &f->patience, ms, on_patience);
    loop_run(f->loop);
    loop_timer_stop(&f->patience);
}

/* Runs until `n` messages were sent in all. */
static void wait_sent(struct fixture *f, size_t n)
{
    f->n_wanted = n;
    if (f->n_sent < n)
        run(f, PATIENCE_MS);
    if (f->n_sent < n)
        fail_msg("%zu messages instead of %zu", f->n_sent, n);
}

/* Runs until a message with this text is sent, and returns it. */
static const json_t *wait_for(struct fixture *f, const char *text)
{
    f->wanted = text;
    run(f, PATIENCE_MS);
    if (f->is_timed_out)
        fail_msg("no message with %s", text);
    return f->sent[f->n_sent - 1];
}

static void set_up(struct fixture *f, const struct fake_line *lines, size_t n)
{
    *f = (struct fixture){0};
    log_set_level(LOG_LEVEL_ERROR);
    assert_int_equal(policy_parse("full", &f->policy, NULL), 0);
    f->fake = fake_engine_open(lines, n);
    assert_int_equal(loop_new(&f->loop, &(struct loop_options){0}, NULL), 0);
    assert_int_equal(engine_new(&f->engine,
                                &(struct engine_options){.loop = f->loop,
                                                         .address = fake_engine_address(f->fake)},
                                NULL),
                     0);
    f->facts = facts_new();
    f->events = events_new(f->engine, f->facts);
    f->killer = exec_killer_new(f->engine, "/");
}

static void open_session(struct fixture *f, struct session_options o)
{
    o.loop = f->loop;
    o.engine = f->engine;
    o.facts = f->facts;
    o.events = f->events;
    o.killer = f->killer;
    if (!o.policy)
        o.policy = &f->policy;
    o.send = on_send;
    o.owner = f;
    f->session = session_new(&o);
}

static void forget_sent(struct fixture *f)
{
    for (size_t i = 0; i < f->n_sent; i++)
        json_decref(f->sent[i]);
    f->n_sent = f->n_wanted = 0;
}

static void tear_down(struct fixture *f)
{
    session_free(f->session);
    exec_killer_free(f->killer);
    events_free(f->events);
    facts_free(f->facts);
    engine_free(f->engine);
    loop_free(f->loop);
    fake_engine_close(f->fake);
    forget_sent(f);
}

static void say(struct fixture *f, const char *text)
{
    session_on_message(f->session, text, strlen(text));
}

static const char *text_of(const json_t *message, const char *key)
{
    const char *s = json_text_get(message, key);

    return s ? s : "";
}

#define OPERATION(id, fields) \
    "{\"type\":\"container_operation\",\"id\":\"" id "\",\"payload\":{" fields "}}"
#define NO_REF    "container_id is neither an id nor a name of a container"
#define BAD_SINCE "since: \"soon\" is neither RFC 3339 nor unix seconds"

/* Requests that are refused at once, and how the refusal begins. */
static const struct {
    const char *id, *request, *error;
} refusals[] = {
    {.id = "1",
     .request = "{\"type\":\"command\",\"command\":\"nope\",\"id\":\"1\"}",
     .error = "unknown command: nope"                                                                   },
    {.id = "2",                                          .request = OPERATION("2", "\"action\":\"fly\""), .error = "unknown action: fly"},
    {.id = "3",
     .request = OPERATION("3",                                                                  "\"action\":\"start\""),
     .error = "container_id is required"},
    {.id = "4",
     .request = OPERATION("4",                                        "\"action\":\"start\",\"container_id\":\"../x\""),
     .error = NO_REF},
    {.id = "5",
     .request = OPERATION("5",                                                              "\"action\":\"rename\",\"container_id\":\"x\""),
     .error = "new_name is required"},
    {.id = "6",
     .request = OPERATION("6","\"action\":\"rename\",\"container_id\":\"x\",\"new_name\":\"a/b\""),
     .error = "new_name is not a valid container name"},
    {.id = "7",
     .request = OPERATION("7",                                                     "\"action\":\"get_logs\",\"container_id\":\"x\",\"since\":\"soon\""),
     .error = BAD_SINCE},
    {.id = "8",
     .request = OPERATION("8",                                                                  "\"action\":\"start\",\"container_id\":7"),
     .error = "start: "},
    {.id = "9",
     .request = "{\"type\":\"container_operation\",\"id\":\"9\",\"payload\":[]}",
     .error = "Field required"                                                                     },
};

static void test_refuses(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, NULL, 0);
    open_session(&f, (struct session_options){0});
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        say(&f, refusals[i].request);
        wait_sent(&f, i + 1);
        assert_string_equal(text_of(f.sent[i], i == 0 ? "id" : "correlation_id"), refusals[i].id);
        if (!str_starts_with(text_of(f.sent[i], "error"), refusals[i].error))
            fail_msg("%s: %s", refusals[i].request, text_of(f.sent[i], "error"));
    }
    say(&f, "{\"type\":\"shell_session\",\"payload\":{}}");
    say(&f, "no JSON");
    say(&f, "[]");
    assert_int_equal(f.n_sent, ARRAY_LEN(refusals));
    tear_down(&f);
}

#define OP(id, action, container)                                                           \
    "{\"type\":\"container_operation\",\"id\":\"" id "\",\"payload\":{\"action\":\"" action \
    "\",\"container_id\":\"" container "\"}}"

#define C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define INSPECT(ref, id, labels)                                        \
    {                                                                   \
        "GET /containers/" ref "/json", FAKE_SEND, NULL,                \
            "{\"Id\":\"" id "\",\"Config\":{\"Labels\":{" labels "}}}", \
    }

static const struct fake_line basic[] = {
    INSPECT("y", B, ""),
    INSPECT("slow", C, ""),
    {"POST /containers/" A "/start",         FAKE_SEND, "HTTP/1.1 204 No Content\r\n\r\n",   NULL      },
    {"POST /containers/" B "/start",         FAKE_SEND, "HTTP/1.1 304 Not Modified\r\n\r\n", NULL      },
    {"POST /containers/" A "/stop?t=10",     FAKE_SEND, "HTTP/1.1 204 No Content\r\n\r\n",   NULL      },
    {"DELETE /containers/" A "?force=1&v=0", FAKE_SEND, "HTTP/1.1 204 No Content\r\n\r\n",   NULL      },
    {"POST /containers/" C "/stop",          FAKE_HANG, "",                                  NULL      },
    {"GET /containers/x/json",               FAKE_SEND, NULL,
                     "{\"Id\":\"" A "\",\"Config\":{\"Labels\":{\"l\":\"\\u0000\"}}}\n"                                },
    {"GET /containers/bad/json",             FAKE_SEND, NULL,                                "{\"Id\":"},
};

static void test_operations(void **state)
{
    const json_t *container;
    struct fixture f;

    (void)state;
    set_up(&f, basic, ARRAY_LEN(basic));
    open_session(&f, (struct session_options){0});
    say(&f, OP("1", "start", "x"));
    wait_sent(&f, 1);
    assert_true(json_is_true(json_object_get(f.sent[0], "success")));
    assert_string_equal(text_of(f.sent[0], "status"), "started");
    assert_string_equal(text_of(f.sent[0], "container_id"), "x");
    say(&f, OP("2", "start", "y"));
    wait_sent(&f, 2);
    assert_true(json_is_true(json_object_get(f.sent[1], "success")));
    say(&f, OP("3", "start", "none"));
    wait_sent(&f, 3);
    assert_true(json_is_false(json_object_get(f.sent[2], "success")));
    assert_string_equal(text_of(f.sent[2], "error"), "no such thing");
    assert_string_equal(text_of(f.sent[2], "error_type"), "docker_error");
    assert_int_equal(json_integer_value(json_object_get(f.sent[2], "status")), 404);
    say(&f, OP("4", "inspect", "x"));
    wait_sent(&f, 4);
    container = json_object_get(f.sent[3], "container");
    assert_string_equal(text_of(container, "Id"), A);
    say(&f, OP("5", "inspect", "bad"));
    wait_sent(&f, 5);
    assert_true(json_is_false(json_object_get(f.sent[4], "success")));
    say(&f,
        "{\"type\":\"command\",\"command\":\"delete_container\",\"id\":\"6\",\"payload\":{\"container_id\":\"x\"}}");
    wait_sent(&f, 6);
    assert_string_equal(text_of(json_object_get(f.sent[5], "payload"), "status"), "deleted");
    tear_down(&f);
}

static const struct fake_line labelled[] = {
    INSPECT("free", A, "\"dockmon.protect\":\"false\""),
    INSPECT("shut", B, "\"dockmon.protect\":\"true\""),
    INSPECT("half", C, "\"dockmon.protect\":\"stop,remove\""),
    INSPECT("odd", C, "\"dockmon.protect\":\"\\u0074rue\""),
    {"GET /containers/mute/json", FAKE_SEND, NULL,                              "{\"Id\":\"" A "\",\"Config\":{}}"},
    {"POST /containers/",         FAKE_SEND, "HTTP/1.1 204 No Content\r\n\r\n", NULL                              },
};

/* Whether it is allowed is decided before the engine is asked to do it, by what the engine says of it. */
static void test_labels(void **state)
{
    static const struct {
        const char *request, *error; /* NULL: allowed */
        bool is_permission;
    } cases[] = {
        {OP("1", "stop",    "free"), NULL,                                                          false},
        {OP("1", "stop",    "shut"), "stop is not allowed: container bbbbbbbbbbbb is protected by",
         true                                                                                            },
        {OP("1", "start",   B),      "start is not allowed: container bbbbbbbbbbbb is protected",   true },
        {OP("1", "start",   "half"), NULL,                                                          false},
        {OP("1", "stop",    "half"), "stop is not allowed: container cccccccccccc is protected by",
         true                                                                                            },
        {OP("1", "stop",    "odd"),  "stop is not allowed: ",                                       true },
        {OP("1", "stop",    "mute"), "the engine's description of the container cannot be",         false},
        {OP("1", "inspect", "shut"), NULL,                                                          false},
    };
    struct fixture f;

    (void)state;
    set_up(&f, labelled, ARRAY_LEN(labelled));
    open_session(&f, (struct session_options){0});
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *type = cases[i].is_permission ? "permission_denied" : "docker_error";

        say(&f, cases[i].request);
        wait_sent(&f, i + 1);
        if (!str_starts_with(text_of(f.sent[i], "error"), cases[i].error ? cases[i].error : ""))
            fail_msg("%s: %s", cases[i].request, text_of(f.sent[i], "error"));
        assert_true(json_is_true(json_object_get(f.sent[i], "success")) == !cases[i].error);
        if (cases[i].error)
            assert_string_equal(text_of(f.sent[i], "error_type"), type);
    }
    assert_int_equal(fake_engine_count(f.fake, "GET /containers/" B "/json"), 0);
    assert_int_equal(fake_engine_count(f.fake, "POST /containers/" B), 0);
    assert_int_equal(fake_engine_count(f.fake, "POST /containers/"), 2);
    tear_down(&f);
}

static void test_policy(void **state)
{
    struct policy policy;
    struct fixture f;

    (void)state;
    assert_int_equal(policy_parse("observe,stop", &policy, NULL), 0);
    set_up(&f, basic, ARRAY_LEN(basic));
    open_session(&f, (struct session_options){.policy = &policy});
    say(&f, OP("1", "start", "x"));
    wait_sent(&f, 1);
    assert_string_equal(text_of(f.sent[0], "error_type"), "permission_denied");
    assert_string_equal(
        text_of(f.sent[0], "error"),
        "start is not allowed by the policy of this host (AGENT_POLICY=observe,stop)");
    say(&f, "{\"type\":\"command\",\"command\":\"prune_images\",\"id\":\"2\",\"payload\":{}}");
    wait_sent(&f, 2);
    assert_string_equal(text_of(f.sent[1], "error_type"), "permission_denied");
    say(&f, "{\"type\":\"shell_session\",\"payload\":{\"action\":\"start\",\"session_id\":"
            "\"11111111-1111-1111-1111-111111111111\",\"container_id\":\"x\"}}");
    wait_sent(&f, 3);
    assert_true(str_starts_with(text_of(json_object_get(f.sent[2], "payload"), "error"),
                                "shell is not allowed by the policy of this host"));
    assert_int_equal(fake_engine_count(f.fake, ""), 0);
    say(&f, OP("4", "stop", "x"));
    wait_sent(&f, 4);
    assert_true(json_is_true(json_object_get(f.sent[3], "success")));
    tear_down(&f);
}

/* Two of one container go one after the other, whatever the first does; another container overtakes. */
static void test_order(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, basic, ARRAY_LEN(basic));
    open_session(&f, (struct session_options){0});
    say(&f, OP("1", "stop", "slow"));
    say(&f, OP("2", "start", "slow"));
    say(&f, OP("3", "stop", "x"));
    say(&f, OP("4", "start", "x"));
    wait_sent(&f, 2);
    assert_string_equal(text_of(f.sent[0], "correlation_id"), "3");
    assert_string_equal(text_of(f.sent[1], "correlation_id"), "4");
    assert_int_equal(fake_engine_count(f.fake, "POST /containers/" C "/start"), 0);
    tear_down(&f); /* with one running and one waiting */
}

static void test_pending_limit(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, basic, ARRAY_LEN(basic));
    open_session(&f, (struct session_options){0});
    for (int i = 0; i < SESSION_MAX_PENDING; i++)
        say(&f, OP("1", "stop", "slow"));
    assert_int_equal(f.n_sent, 0);
    say(&f, OP("2", "stop", "slow"));
    wait_sent(&f, 1);
    assert_string_equal(text_of(f.sent[0], "correlation_id"), "2");
    assert_string_equal(text_of(f.sent[0], "error"), "too many commands are pending (64)");
    tear_down(&f);
}

static void on_stopped(void *owner)
{
    struct fixture *f = owner;

    f->is_stopped = true;
    loop_stop(f->loop);
}

static void test_graceful_stop(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, basic, ARRAY_LEN(basic));
    open_session(&f, (struct session_options){0});
    say(&f, OP("1", "stop", "x"));
    say(&f, OP("2", "start", "x"));
    session_stop(f.session, on_stopped, &f);
    assert_false(f.is_stopped);
    say(&f, OP("3", "start", "x"));
    assert_string_equal(text_of(f.sent[0], "error"), "the agent is stopping");
    f.n_wanted = 0;
    run(&f, PATIENCE_MS);
    assert_true(f.is_stopped);
    assert_int_equal(f.n_sent, 3);
    assert_string_equal(text_of(f.sent[1], "correlation_id"), "1");
    assert_string_equal(text_of(f.sent[2], "correlation_id"), "2");
    tear_down(&f);
}

static void test_engine_away(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, basic, ARRAY_LEN(basic));
    open_session(&f, (struct session_options){0});
    fake_engine_pause(f.fake);
    say(&f, OP("1", "start", "x"));
    wait_sent(&f, 1);
    assert_non_null(strstr(text_of(f.sent[0], "error"), "docker engine not reachable at unix:///"));
    fake_engine_resume(f.fake);
    say(&f, OP("2", "start", "x"));
    wait_sent(&f, 2);
    assert_true(json_is_true(json_object_get(f.sent[1], "success")));
    tear_down(&f);
}

static void test_reply_limits(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, basic, ARRAY_LEN(basic));
    open_session(&f, (struct session_options){.max_message = 150});
    say(&f, OP("1", "inspect", "x"));
    wait_sent(&f, 1);
    assert_string_equal(text_of(f.sent[0], "error"), "the reply is larger than 150 bytes");
    tear_down(&f);
}

#define STREAM \
    STREAM_HEAD EVENT("exec_start: x", A, "100") EVENT("die", B, "200") EVENT("die", B, "200")
#define BOTH                                                        \
    "[{\"Id\":\"" A "\",\"HostConfig\":{\"NetworkMode\":\"none\"}," \
    "\"ImageID\":\"sha256:" B "\",\"State\":\"running\"},"          \
    "{\"Id\":\"" B "\",\"ImageID\":\"sha256:" B "\"}]"
#define INSPECT_A                                          \
    "{\"State\":{\"StartedAt\":\"2026-01-01T00:00:00Z\"}," \
    "\"Config\":{\"Env\":[\"K=v\"]},\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"always\"}}}"
#define IMAGE_B "{\"RepoDigests\":[\"r@sha256:1\"]}"

static const struct fake_line listing[] = {
    {"GET /_ping",                         FAKE_SEND, NULL,   "OK"     },
    {"GET /events",                        FAKE_HANG, STREAM, NULL     },
    {"GET /containers/json?all=1&filters", FAKE_SEND, NULL,   "[]"     },
    {"GET /containers/json?all=1",         FAKE_SEND, NULL,   BOTH     },
    {"GET /containers/" A "/json",         FAKE_SEND, NULL,   INSPECT_A},
    {"GET /images/sha256:" B "/json",      FAKE_SEND, NULL,   IMAGE_B  },
};

#define LIST "{\"type\":\"command\",\"command\":\"list_containers\",\"id\":\"l\"}"

static void check_list(const json_t *payload)
{
    const json_t *a = json_array_get(payload, 0), *b = json_array_get(payload, 1);
    const json_t *config = json_object_get(a, "HostConfig");

    assert_int_equal(json_array_size(payload), 2);
    assert_string_equal(text_of(config, "NetworkMode"), "none");
    assert_string_equal(text_of(json_object_get(config, "RestartPolicy"), "Name"), "always");
    assert_string_equal(text_of(a, "State"), "running");
    assert_string_equal(text_of(a, "StartedAt"), "2026-01-01T00:00:00Z");
    assert_string_equal(text_of(json_object_get(a, "Env"), "K"), "v");
    assert_int_equal(json_array_size(json_object_get(a, "RepoDigests")), 1);
    /* Its inspect answers 404. */
    assert_null(json_object_get(b, "StartedAt"));
    assert_int_equal(json_array_size(json_object_get(b, "RepoDigests")), 1);
}

static void test_list_is_cached(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, listing, ARRAY_LEN(listing));
    open_session(&f, (struct session_options){0});
    for (unsigned i = 1; i <= 2; i++) {
        say(&f, LIST);
        wait_sent(&f, i);
        check_list(json_object_get(f.sent[i - 1], "payload"));
        assert_int_equal(fake_engine_count(f.fake, "GET /containers/" A "/json"), 1);
        assert_int_equal(fake_engine_count(f.fake, "GET /images/"), 1);
    }
    facts_on_event(f.facts, "container", "start", A);
    say(&f, LIST);
    wait_sent(&f, 3);
    assert_int_equal(fake_engine_count(f.fake, "GET /containers/" A "/json"), 2);
    facts_on_event(f.facts, "container", "update", A); /* docker update --restart */
    say(&f, LIST);
    wait_sent(&f, 4);
    assert_int_equal(fake_engine_count(f.fake, "GET /containers/" A "/json"), 3);
    facts_on_event(f.facts, "image", "pull", "x");
    say(&f, LIST);
    wait_sent(&f, 5);
    assert_int_equal(fake_engine_count(f.fake, "GET /images/"), 2);
    tear_down(&f);
}

static void test_inventory(void **state)
{
    const json_t *m, *payload;
    struct fixture f;

    (void)state;
    set_up(&f, listing, ARRAY_LEN(listing));
    open_session(&f, (struct session_options){.wants_inventory = true, .wants_event_replay = true});
    m = wait_for(&f, "inventory_snapshot");
    payload = json_object_get(m, "payload");
    assert_true(json_is_true(json_object_get(payload, "last")));
    assert_int_equal(json_integer_value(json_object_get(payload, "part")), 0);
    check_list(json_object_get(payload, "containers"));
    /* The stream opens and tells of B's death; reading it again says it is gone. */
    events_start(f.events);
    m = wait_for(&f, "container_event");
    payload = json_object_get(m, "payload");
    assert_string_equal(text_of(payload, "container_id"), B);
    assert_string_equal(text_of(payload, "action"), "die");
    assert_string_equal(text_of(payload, "timestamp"), "1970-01-01T00:00:00Z");
    assert_int_equal(json_integer_value(json_object_get(payload, "time_nano")), 200);
    m = wait_for(&f, "inventory_delta");
    payload = json_object_get(m, "payload");
    assert_int_equal(json_array_size(json_object_get(payload, "containers")), 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(payload, "removed"), 0)),
                        B);
    assert_int_equal(events_end(f.events), 1); /* neither the noise nor the double */
    tear_down(&f);
}

/* What came while no server was there is sent to the next, in both ways of going on. */
static void test_events_across_sessions(void **state)
{
    static const char old[] = STREAM_HEAD EVENT("create", A, "50") EVENT("exec_start", A, "55")
        EVENT("start", A, "60");
    static const char live[] = STREAM_HEAD EVENT("pause", A, "4000000000000000000")
        EVENT("die", A, "4000000000000000001");
    static const struct fake_line lines[] = {
        {"GET /_ping",                  FAKE_SEND, NULL, "OK"},
        {"GET /events?since=0.0000000", FAKE_SEND, old,  NULL},
        {"GET /events",                 FAKE_HANG, live, NULL},
    };
    struct fixture f;

    (void)state;
    set_up(&f, lines, ARRAY_LEN(lines));
    events_start(f.events);
    while (events_end(f.events) < 2)
        run(&f, 20);
    open_session(&f, (struct session_options){0});
    assert_int_equal(f.n_sent, 2);
    assert_null(json_object_get(json_object_get(f.sent[0], "payload"), "time_nano"));
    session_free(TAKE_PTR(f.session));
    open_session(&f, (struct session_options){0});
    assert_int_equal(f.n_sent, 2); /* nothing twice */
    session_free(TAKE_PTR(f.session));

    forget_sent(&f);
    open_session(&f, (struct session_options){.wants_event_replay = true,
                                              .events_since_ns = 4000000000000000001});
    assert_int_equal(f.n_sent, 1); /* inclusive */
    session_free(TAKE_PTR(f.session));

    forget_sent(&f);
    open_session(&f, (struct session_options){.wants_event_replay = true, .events_since_ns = 49});
    wait_sent(&f, 4); /* the engine's memory first, then ours */
    assert_string_equal(text_of(json_object_get(f.sent[0], "payload"), "action"), "create");
    assert_string_equal(text_of(json_object_get(f.sent[1], "payload"), "action"), "start");
    assert_string_equal(text_of(json_object_get(f.sent[3], "payload"), "action"), "die");
    tear_down(&f);
}

static void test_full_queue(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, listing, ARRAY_LEN(listing));
    events_start(f.events);
    while (events_end(f.events) < 1)
        run(&f, 20);
    f.send_result = -ENOBUFS;
    open_session(&f, (struct session_options){.wants_inventory = true});
    run(&f, 300);
    f.send_result = 0;
    (void)wait_for(&f, "container_event");
    (void)wait_for(&f, "\"last\":true");
    tear_down(&f);
}

#define MANY 5000

static char *many_containers(void)
{
    struct buf b = BUF_INIT(64 << 20);
    int r = buf_append_char(&b, '[');

    for (unsigned i = 0; r == 0 && i < MANY; i++) {
        r = buf_printf(
            &b, "%s{\"Id\":\"%064x\",\"Names\":[\"/c%u\"],\"Labels\":{\"filler\":\"%0500u\"}}",
            i ? "," : "", i, i, i);
    }
    if (r == 0)
        r = buf_append_char(&b, ']');
    assert_int_equal(r, 0);
    return buf_take(&b);
}

static void test_many_containers(void **state)
{
    _cleanup_free_ char *list = many_containers();
    const struct fake_line lines[] = {
        {"GET /containers/json", FAKE_SEND, NULL, list},
        {"GET /containers/",     FAKE_SEND, NULL, "{}"},
    };
    size_t total = 0;
    struct fixture f;

    (void)state;
    set_up(&f, lines, ARRAY_LEN(lines));
    open_session(&f, (struct session_options){.wants_inventory = true});
    (void)wait_for(&f, "\"last\":true");
    assert_true(f.n_sent > 2);
    for (size_t i = 0; i < f.n_sent; i++) {
        const json_t *payload = json_object_get(f.sent[i], "payload");

        assert_int_equal(json_integer_value(json_object_get(payload, "part")), i);
        assert_int_equal(json_is_true(json_object_get(payload, "last")), i + 1 == f.n_sent);
        total += json_array_size(json_object_get(payload, "containers"));
    }
    assert_int_equal(total, MANY);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses),       cmocka_unit_test(test_labels),
        cmocka_unit_test(test_policy),        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_order),         cmocka_unit_test(test_pending_limit),
        cmocka_unit_test(test_graceful_stop), cmocka_unit_test(test_engine_away),
        cmocka_unit_test(test_reply_limits),  cmocka_unit_test(test_list_is_cached),
        cmocka_unit_test(test_inventory),     cmocka_unit_test(test_events_across_sessions),
        cmocka_unit_test(test_full_queue),    cmocka_unit_test(test_many_containers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
