#include "agent/common/temporary_dir.h"
#include "agent/engine/event_log.h"
#include "agent/inventory/inventory.h"
#include "agent/session/session_fixture.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define STREAM \
    STREAM_HEAD EVENT("exec_start: x", A, "100") EVENT("die", B, "200") EVENT("die", B, "200")
#define BOTH                                                        \
    "[{\"Id\":\"" A "\",\"HostConfig\":{\"NetworkMode\":\"none\"}," \
    "\"ImageID\":\"sha256:" B "\",\"State\":\"running\"},"          \
    "{\"Id\":\"" B "\",\"ImageID\":\"sha256:" B "\"}]"
#define INSPECT_A                                                             \
    "{\"State\":{\"StartedAt\":\"2026-01-01T00:00:00Z\",\"OOMKilled\":true}," \
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
    assert_true(json_is_true(json_object_get(a, "OOMKilled")));
    assert_null(json_object_get(b, "OOMKilled"));
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
    facts_on_event(f.facts, "container", "die", A); /* it may have run out of memory */
    say(&f, LIST);
    wait_sent(&f, 5);
    assert_int_equal(fake_engine_count(f.fake, "GET /containers/" A "/json"), 4);
    facts_on_event(f.facts, "image", "pull", "x");
    say(&f, LIST);
    wait_sent(&f, 6);
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
    /* The stream reports the end of B, and the list that is read again does not contain it. */
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
    assert_int_equal(events_end(f.events), 1); /* neither the noise nor the duplicate */
    tear_down(&f);
}

#define ELEMENT(state) \
    "{\"Id\":\"" A "\",\"Names\":[\"/web\"],\"ImageID\":\"\",\"State\":\"" state "\"}"
#define INSPECT(state)                                                                  \
    "{\"Id\":\"" A "\",\"Name\":\"/web\",\"State\":{\"Status\":\"" state                \
    "\",\"StartedAt\":\"2026-01-01T00:00:00Z\"},\"Config\":{\"Labels\":{},\"Env\":[]}," \
    "\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"no\"}}}"
#define OPERATE(action)                                                                       \
    "{\"type\":\"container_operation\",\"action\":\"" action "\",\"container_id\":\"" A "\"," \
    "\"correlation_id\":\"c\",\"force\":true}"
#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"
#define CONFLICT   "HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n{}"

/* Runs one operation and returns the delta, which must come before the reply. */
static const json_t *operate(struct fixture *f, const struct fake_line *lines, const char *message)
{
    set_up(f, lines, 7);
    open_session(f, (struct session_options){.wants_inventory = true});
    (void)wait_for(f, "inventory_snapshot");
    forget_sent(f);
    say(f, message);
    wait_sent(f, 2);
    assert_string_equal(text_of(f->sent[0], "command"), "inventory_delta");
    assert_string_equal(text_of(f->sent[1], "correlation_id"), "c");
    return json_object_get(f->sent[0], "payload");
}

/* No event is needed: the reply to an operation follows the state that it has brought about. */
static void test_state_before_reply(void **state)
{
    static const struct {
        const char *request, *answer, *message, *list, *inspect;
    } cases[] = {
        {"POST /containers/" A "/stop",  NO_CONTENT, OPERATE("stop"),   "[" ELEMENT("exited") "]",
         INSPECT("exited")                                                                             },
        {"POST /containers/" A "/kill",  NO_CONTENT, OPERATE("kill"),   "[" ELEMENT("exited") "]",
         INSPECT("exited")                                                                             },
        {"POST /containers/" A "/pause", NO_CONTENT, OPERATE("pause"),  "[" ELEMENT("paused") "]",
         INSPECT("paused")                                                                             },
 /* A refusal shows as well that the server may not know the state. */
        {"POST /containers/" A "/pause", CONFLICT,   OPERATE("pause"),  "[" ELEMENT("exited") "]",
         INSPECT("exited")                                                                             },
 /* The engine does not know it any more. */
        {"DELETE /containers/" A,        NO_CONTENT, OPERATE("remove"), "[]",                      NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct fake_line lines[] = {
            {"GET /_ping",                                                  FAKE_SEND,   NULL,            "OK"                      },
            {"GET /events",                                                 FAKE_HANG,   STREAM_HEAD,     NULL                      },
            {cases[i].request,                                              FAKE_SEND,   cases[i].answer, NULL                      },
            {"GET /containers/json?all=1&filters",                          FAKE_SEND,   NULL,            cases[i].list             },
            {"GET /containers/json?all=1",                                  FAKE_SEND,   NULL,            "[" ELEMENT("running") "]"},
            {cases[i].inspect ? "GET /containers/" A "/json" : "GET /none", FAKE_SEND,   NULL,
             cases[i].inspect ? cases[i].inspect : "{}"                                                                             },
            {"GET /images/",                                                FAKE_ABSENT, NULL,            NULL                      },
        };
        struct fixture f;
        const json_t *delta = operate(&f, lines, cases[i].message);

        assert_int_equal(json_array_size(json_object_get(delta, "containers")),
                         cases[i].inspect ? 1 : 0);
        assert_int_equal(json_array_size(json_object_get(delta, "removed")),
                         cases[i].inspect ? 0 : 1);
        tear_down(&f);
    }
}

/* The state of an engine that stops answering is sent, also to a server that connects later. */
static void test_engine_away(void **state)
{
    static const struct fake_line lines[] = {
        {"GET /_ping",  FAKE_SEND, NULL,        "OK"},
        {"GET /events", FAKE_SEND, STREAM_HEAD, NULL}, /* ends at once and is opened again */
    };
    struct fixture f;
    const json_t *m;

    (void)state;
    set_up(&f, lines, ARRAY_LEN(lines));
    open_session(&f, (struct session_options){.wants_engine_state = true});
    fake_engine_pause(f.fake);
    events_start(f.events);
    m = wait_for(&f, "engine_state");
    assert_true(str_starts_with(text_of(json_object_get(m, "payload"), "error"),
                                "the engine does not answer: "));
    assert_non_null(events_trouble(f.events));

    session_free(TAKE_PTR(f.session));
    forget_sent(&f);
    open_session(&f, (struct session_options){0}); /* an older server */
    assert_int_equal(f.n_sent, 0);
    session_free(TAKE_PTR(f.session));
    open_session(&f, (struct session_options){.wants_engine_state = true});
    assert_int_equal(f.n_sent, 1);

    forget_sent(&f);
    fake_engine_resume(f.fake);
    m = wait_for(&f, "engine_state");
    assert_int_equal(json_object_size(json_object_get(m, "payload")), 0);
    assert_null(events_trouble(f.events));
    tear_down(&f);
}

/* Events without a session are sent to the next server, with and without replay. */
static void test_events_across_sessions(void **state)
{
    static const char old[] = STREAM_HEAD EVENT("create", A, "50") EVENT("exec_start", A, "55")
        EVENT("start", A, "60");
    char live[1024]; /* filled before the request */
    const struct fake_line lines[] = {
        {"GET /_ping",                  FAKE_SEND, NULL, "OK"},
        {"GET /events?since=0.0000000", FAKE_SEND, old,  NULL},
        {"GET /events",                 FAKE_HANG, live, NULL},
    };
    struct fixture f;
    int64_t newest;

    (void)state;
    set_up(&f, lines, ARRAY_LEN(lines));
    events_start(f.events);
    newest = events_covered_since(f.events) + 1000000;
    (void)snprintf(live, sizeof(live),
                   STREAM_HEAD EVENT("pause", A, "%" PRId64) EVENT("die", A, "%" PRId64),
                   newest - 1, newest);
    while (events_end(f.events) < 2 || time_utc_ms() * 1000000 <= newest)
        run(&f, 20);
    open_session(&f, (struct session_options){0});
    assert_int_equal(f.n_sent, 2);
    assert_null(json_object_get(json_object_get(f.sent[0], "payload"), "time_nano"));
    session_free(TAKE_PTR(f.session));
    open_session(&f, (struct session_options){0});
    assert_int_equal(f.n_sent, 2); /* no duplicates */
    session_free(TAKE_PTR(f.session));

    forget_sent(&f);
    open_session(&f,
                 (struct session_options){.wants_event_replay = true, .events_since_ns = newest});
    assert_int_equal(f.n_sent, 1); /* inclusive */
    session_free(TAKE_PTR(f.session));

    forget_sent(&f);
    open_session(&f, (struct session_options){.wants_event_replay = true, .events_since_ns = 49});
    wait_sent(&f, 4); /* the engine's events first, then the history */
    assert_string_equal(text_of(json_object_get(f.sent[0], "payload"), "action"), "create");
    assert_string_equal(text_of(json_object_get(f.sent[1], "payload"), "action"), "start");
    assert_string_equal(text_of(json_object_get(f.sent[3], "payload"), "action"), "die");
    session_free(TAKE_PTR(f.session));

    /* The clock was set back: any event may be new to the server. */
    forget_sent(&f);
    open_session(&f, (struct session_options){.wants_event_replay = true,
                                              .events_since_ns = INT64_C(4000000000000000000)});
    wait_sent(&f, 4);
    tear_down(&f);
}

#define MANY_EVENTS 3000 /* the history holds 1,024, the engine 256 */
#define FORGOTTEN   500

static char *many_events(int64_t from_ns)
{
    struct buf b = BUF_INIT(64 << 20);
    int r = buf_append_str(&b, STREAM_HEAD);

    for (int i = 0; r == 0 && i < MANY_EVENTS; i++)
        r = buf_printf(&b, EVENT("start", A, "%" PRId64), from_ns + i);
    assert_int_equal(r, 0);
    return buf_take(&b);
}

static void expect_many(const struct fixture *f, int64_t from_ns)
{
    assert_int_equal(f->n_sent, MANY_EVENTS);
    for (size_t i = 0; i < MANY_EVENTS; i++) {
        const json_t *payload = json_object_get(f->sent[i], "payload");

        assert_int_equal(json_integer_value(json_object_get(payload, "time_nano")),
                         from_ns + (int64_t)i);
    }
}

/* A server that was away gets more events than the history holds, also from the next run. */
static void test_many_events_while_away(void **state)
{
    int64_t from_ns = time_utc_ms() * 1000000 - 1;
    _cleanup_free_ char *stream = many_events(from_ns);
    const struct fake_line lines[] = {
        {"GET /_ping",                  FAKE_SEND, NULL,        "OK"},
        {"GET /events?since=0.0000000", FAKE_SEND, STREAM_HEAD, NULL},
        {"GET /events",                 FAKE_HANG, stream,      NULL},
    };
    char dir[TEMPORARY_DIR_SIZE];
    struct event_log_place at = {0};
    struct event_log *log;
    struct event e;
    struct fixture f;

    (void)state;
    assert_int_equal(temporary_dir_make(dir), 0);
    set_up(&f, lines, ARRAY_LEN(lines));
    log = event_log_new(&(struct event_log_options){.loop = f.loop, .dir = dir});
    events_set_log(f.events, log);
    events_start(f.events);
    while (events_end(f.events) < MANY_EVENTS)
        run(&f, 20);
    open_session(&f,
                 (struct session_options){.wants_event_replay = true, .events_since_ns = from_ns});
    wait_sent(&f, MANY_EVENTS);
    expect_many(&f, from_ns);
    session_free(TAKE_PTR(f.session));

    /* The log forgets what the server has. */
    forget_sent(&f);
    open_session(&f, (struct session_options){.wants_event_replay = true,
                                              .events_since_ns = from_ns + FORGOTTEN});
    wait_sent(&f, MANY_EVENTS - FORGOTTEN);
    session_free(TAKE_PTR(f.session));
    assert_true(event_log_next(log, &at, 0, &e));
    assert_int_equal(e.time_ns, from_ns + FORGOTTEN);
    engine_event_done(&e);
    event_log_free(log);
    at = (struct event_log_place){0};

    log = event_log_new(&(struct event_log_options){.loop = f.loop, .dir = dir});
    for (int i = 0; i < MANY_EVENTS; i++) {
        assert_true(event_log_next(log, &at, from_ns, &e));
        assert_int_equal(e.time_ns, from_ns + i);
        engine_event_done(&e);
    }
    assert_false(event_log_next(log, &at, from_ns, &e));
    event_log_forget(log, from_ns + 1000);
    at = (struct event_log_place){0};
    assert_true(event_log_next(log, &at, 0, &e));
    assert_int_equal(e.time_ns, from_ns + 1000);
    engine_event_done(&e);
    event_log_free(log);
    tear_down(&f);
    assert_int_equal(temporary_dir_remove(dir), 0);
}

/*
 * The agent was not running for a while, of which only the engine knows. Its history begins with
 * the very event that the log has, too.
 */
static void test_hole_between_log_and_history(void **state)
{
    static const char hole[] = STREAM_HEAD EVENT("create", A, "60");
    char live[1024], text[512]; /* `live` is filled before the request */
    const struct fake_line lines[] = {
        {"GET /_ping",                  FAKE_SEND, NULL, "OK"},
        {"GET /events?since=0.0000000", FAKE_SEND, hole, NULL},
        {"GET /events",                 FAKE_HANG, live, NULL},
    };
    static const char *const actions[] = {"pause", "create", "die"};
    char dir[TEMPORARY_DIR_SIZE];
    struct event_log *log;
    struct event e;
    struct fixture f;

    (void)state;
    assert_int_equal(temporary_dir_make(dir), 0);
    set_up(&f, lines, ARRAY_LEN(lines));
    log = event_log_new(&(struct event_log_options){.loop = f.loop, .dir = dir});
    (void)snprintf(text, sizeof(text), EVENT("pause", A, "50"));
    assert_int_equal(event_decode(text, strlen(text), &e, NULL), 0);
    event_log_add(log, &e, text, strlen(text));
    engine_event_done(&e);
    events_set_log(f.events, log);
    events_start(f.events);
    (void)snprintf(live, sizeof(live), STREAM_HEAD EVENT("die", A, "%" PRId64),
                   events_covered_since(f.events));
    while (events_end(f.events) < 1)
        run(&f, 20);
    open_session(&f, (struct session_options){.wants_event_replay = true, .events_since_ns = 49});
    wait_sent(&f, ARRAY_LEN(actions));
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        assert_string_equal(text_of(json_object_get(f.sent[i], "payload"), "action"), actions[i]);
    session_free(TAKE_PTR(f.session));
    event_log_free(log);
    tear_down(&f);
    assert_int_equal(temporary_dir_remove(dir), 0);
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

/* A list of two containers, whose elements have `filler` bytes in a label each. To be freed. */
static char *make_pair(size_t filler, size_t more)
{
    struct buf text = BUF_INIT((size_t)4 << 20);
    _cleanup_free_ char *label = xcalloc(1, filler + more + 1);
    int r;

    memset(label, 'x', filler + more);
    r = buf_printf(&text,
                   "[{\"Id\":\"" A "\",\"State\":\"running\",\"Command\":\"%.*s\"},"
                   "{\"Id\":\"" B "\",\"State\":\"running\",\"Command\":\"%s\"}]",
                   (int)filler, label, label);
    assert_int_equal(r, 0);
    return buf_take(&text);
}

/* Opens a session on an engine with that list; returns its messages' number, which are parts. */
static size_t count_parts(const char *list, size_t *ret_bytes)
{
    const struct fake_line lines[] = {
        {"GET /_ping",                 FAKE_SEND, NULL,        "OK"},
        {"GET /events",                FAKE_HANG, STREAM_HEAD, NULL},
        {"GET /containers/json?all=1", FAKE_SEND, NULL,        list},
    };
    struct fixture f;
    size_t n;

    set_up(&f, lines, ARRAY_LEN(lines));
    open_session(&f, (struct session_options){.wants_inventory = true});
    (void)wait_for(&f, "\"last\":true");
    n = f.n_sent;
    *ret_bytes = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *payload = json_object_get(f.sent[i], "payload");
        const json_t *containers = json_object_get(payload, "containers");

        assert_int_equal(json_integer_value(json_object_get(payload, "part")), i);
        assert_true(json_array_size(containers) > 0); /* no part is sent before its elements */
        for (size_t k = 0; k < json_array_size(containers); k++) {
            _cleanup_free_ char *text = json_dumps(json_array_get(containers, k), JSON_COMPACT);

            *ret_bytes += strlen(text);
        }
    }
    tear_down(&f);
    return n;
}

static void test_parts_are_as_large_as_they_may_be(void **state)
{
    _cleanup_free_ char *small = make_pair(1000, 0), *full = NULL, *larger = NULL;
    size_t bytes, filler;

    (void)state;
    assert_int_equal(count_parts(small, &bytes), 1);
    filler = (INVENTORY_PART_SIZE - (bytes - 2000)) / 2;
    full = make_pair(filler, (INVENTORY_PART_SIZE - bytes) % 2);
    assert_int_equal(count_parts(full, &bytes), 1);
    assert_int_equal(bytes, INVENTORY_PART_SIZE);
    larger = make_pair(filler, (INVENTORY_PART_SIZE - bytes) % 2 + 1);
    assert_int_equal(count_parts(larger, &bytes), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_is_cached),
        cmocka_unit_test(test_inventory),
        cmocka_unit_test(test_state_before_reply),
        cmocka_unit_test(test_engine_away),
        cmocka_unit_test(test_events_across_sessions),
        cmocka_unit_test(test_many_events_while_away),
        cmocka_unit_test(test_hole_between_log_and_history),
        cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_many_containers),
        cmocka_unit_test(test_parts_are_as_large_as_they_may_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
