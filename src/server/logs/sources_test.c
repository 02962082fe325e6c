#include "server/logs/sources.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "server/session/session_fixture.h"

#define START_MS 20000 /* an agent has that long to start a stream */
#define POLL_MS  1000  /* between two requests for a log */

/* One log that is followed, and its agent. */
struct follow {
    struct fixture *f;
    struct log_sources *sources;
    struct log_source *source;
    struct scope scope;
    struct joined j;
    struct ws *ws;
    const json_t *start; /* the last message that started a stream */
    unsigned n_started, n_lines, n_marks, n_ended;
    size_t cost;
    bool until_exit;
    enum error_code code;
    char mark[16];
};

static void on_started(void *owner)
{
    ((struct follow *)owner)->n_started++;
}

static void on_line(void *owner, const struct log_source_line *line)
{
    struct follow *w = owner;

    w->n_lines++;
    w->cost += line->cost;
}

static void on_batch(void *owner)
{
    (void)owner;
}

static void on_mark(void *owner, const char *event, const char *message)
{
    struct follow *w = owner;

    w->n_marks++;
    str_copy(w->mark, sizeof(w->mark), event);
    assert_int_not_equal(message[0], '\0');
}

static void on_end(void *owner, const struct log_source_end *end)
{
    struct follow *w = owner;

    w->n_ended++;
    w->code = end->code;
    log_source_free(TAKE_PTR(w->source));
}

static const struct log_source_handler handler = {
    .on_started = on_started,
    .on_line = on_line,
    .on_batch = on_batch,
    .on_mark = on_mark,
    .on_end = on_end,
};

static void follow(struct follow *w)
{
    assert_int_equal(log_source_new(&w->source, w->sources,
                                    &(struct log_source_options){.host_id = w->j.host_id,
                                                                 .container = "web",
                                                                 .tail = -1,
                                                                 .until_exit = w->until_exit,
                                                                 .waits = true,
                                                                 .scope = &w->scope,
                                                                 .handler = &handler,
                                                                 .owner = w},
                                    NULL),
                     0);
    fake_advance(0);
}

static void join(struct follow *w)
{
    _cleanup_free_ char *token = store_fixture_token(fixture_store(w->f), false, time_utc_ms());
    json_t *m = agent_register(token, "E", "host", true);

    json_object_set_new(json_object_get(m, "capabilities"), LOG_STREAM_CAPABILITY, json_true());
    w->ws = fixture_dial(w->f, "192.0.2.1");
    fake_ws_receive_json(w->ws, m);
    fixture_run_jobs(w->f);
    agent_expect_success(w->ws, &w->j);
}

static void list_containers(struct follow *w, json_t *containers)
{
    agent_send_event(w->ws, "inventory_snapshot", agent_part("s", 0, true, containers));
}

static void open_follow(struct follow *w, struct fixture *f)
{
    *w = (struct follow){.f = f};
    w->sources = log_sources_new(&(struct log_sources_options){.fleet = f->fleet,
                                                               .sessions = f->sessions,
                                                               .store = f->store.store,
                                                               .store_jobs = f->jobs});
    join(w);
    list_containers(w, json_pack("[o]", agent_container(ID_A, "/web", "running")));
    follow(w);
}

static void close_follow(struct follow *w)
{
    log_source_free(w->source);
    log_sources_free(w->sources);
    if (w->ws)
        fake_ws_end(w->ws, 1000);
}

/* Returns the next message about a log; NULL: there is none. */
static const json_t *next_stream(struct follow *w)
{
    const json_t *m;

    while ((m = fake_ws_next(w->ws))) {
        if (str_eq(agent_text(m, "type"), "log_stream"))
            return json_object_get(m, "payload");
    }
    return NULL;
}

static void expect_start(struct follow *w)
{
    w->start = next_stream(w);
    assert_non_null(w->start);
    assert_string_equal(agent_text(w->start, "action"), "start");
    assert_string_equal(agent_text(w->start, "container_id"), ID_A);
}

static void expect_stop(struct follow *w)
{
    const json_t *stop = next_stream(w);

    assert_non_null(stop);
    assert_string_equal(agent_text(stop, "action"), "stop");
    assert_string_equal(agent_text(stop, "stream_id"), agent_text(w->start, "stream_id"));
}

static void answer(struct follow *w, const char *action)
{
    agent_send_event(
        w->ws, "log_data",
        json_pack("{s:s, s:s}", "stream_id", agent_text(w->start, "stream_id"), "action", action));
}

static void send_line(struct follow *w, size_t size)
{
    char *text = xcalloc(1, size + 1);

    memset(text, 'x', size);
    agent_send_event(w->ws, "log_data",
                     json_pack("{s:s, s:s, s:[[i, I, s]]}", "stream_id",
                               agent_text(w->start, "stream_id"), "action", "lines", "lines",
                               LOG_KIND_STDOUT, (json_int_t)NS_PER_S, text));
    free(text);
}

static void delete_host(struct follow *w)
{
    assert_int_equal(hosts_delete(fixture_store(w->f), w->j.host_id, NULL), 0);
    sessions_drop_agent(w->f->sessions, w->j.agent_id, "Host deleted");
    fleet_drop_host(w->f->fleet, w->j.host_id);
    fake_advance(0);
}

/* An agent that does not answer must not go on reading a log for no viewer. */
static void test_late_agent_gets_a_stop(void **state)
{
    struct follow w;

    open_follow(&w, *state);
    expect_start(&w);
    fake_advance(START_MS - 1);
    assert_int_equal(w.n_ended, 0);
    fake_advance(1);
    assert_int_equal(w.n_ended, 1);
    assert_int_equal(w.code, CODE_TIMEOUT);
    expect_stop(&w);
    answer(&w, "started"); /* too late */
    assert_int_equal(w.n_started, 0);
    close_follow(&w);
}

/* A log that was read once is started again, and the stream that did not start is stopped. */
static void test_late_restart_is_stopped_and_repeated(void **state)
{
    struct follow w;

    open_follow(&w, *state);
    expect_start(&w);
    answer(&w, "started");
    assert_int_equal(w.n_started, 1);
    answer(&w, "closed");
    fake_advance(1000);
    expect_start(&w);
    fake_advance(START_MS);
    assert_int_equal(w.n_ended, 0);
    expect_stop(&w);
    fake_advance(1000);
    expect_start(&w);
    close_follow(&w);
}

/* A viewer that leaves, and an agent that sends more than it may, both end the stream. */
static void test_end_of_the_source_stops_the_agent(void **state)
{
    struct follow w;

    open_follow(&w, *state);
    expect_start(&w);
    answer(&w, "started");
    log_source_free(TAKE_PTR(w.source));
    expect_stop(&w);
    follow(&w);
    expect_start(&w);
    answer(&w, "started");
    while (w.source)
        send_line(&w, 60000);
    assert_int_equal(w.code, CODE_BAD_REPLY);
    expect_stop(&w);
    close_follow(&w);
}

/* The agent disconnects, and later the host is deleted: there is nothing to wait for any more. */
static void test_deleted_host_that_is_offline_ends_the_log(void **state)
{
    struct follow w;

    open_follow(&w, *state);
    expect_start(&w);
    answer(&w, "started");
    fake_ws_end(TAKE_PTR(w.ws), 1006);
    fake_advance(0);
    assert_string_equal(w.mark, "away");
    fake_advance(60000);
    assert_int_equal(w.n_ended, 0);
    delete_host(&w);
    assert_int_equal(w.n_ended, 1);
    assert_int_equal(w.code, CODE_NO_SUCH_HOST);
    close_follow(&w);
}

/* The same while the log is read, while its container is missing, and while the viewer is slow. */
static void test_deleted_host_ends_the_log(void **state)
{
    enum { READING, SEEKING, BLOCKED } when;

    for (when = READING; when <= BLOCKED; when++) {
        struct follow w;

        open_follow(&w, *state);
        expect_start(&w);
        answer(&w, "started");
        if (when == SEEKING) {
            list_containers(&w, json_array());
            answer(&w, "closed");
        }
        while (when == BLOCKED && w.cost < (size_t)256 * 1024)
            send_line(&w, 60000);
        if (when == BLOCKED)
            answer(&w, "closed");
        fake_advance(1000);
        assert_int_equal(w.n_ended, 0);
        delete_host(&w);
        assert_int_equal(w.n_ended, 1);
        assert_int_equal(w.code, CODE_NO_SUCH_HOST);
        close_follow(&w);
    }
}

/* The log of a driver that keeps nothing ends; one of an engine that fails for a while does not. */
static void test_error_that_stays_ends_the_log(void **state)
{
    for (int status = 500; status <= 501; status++) {
        struct follow w;

        open_follow(&w, *state);
        expect_start(&w);
        answer(&w, "started");
        agent_send_event(w.ws, "log_data",
                         json_pack("{s:s, s:s, s:s, s:i}", "stream_id",
                                   agent_text(w.start, "stream_id"), "action", "error", "error",
                                   "not readable", "status", status));
        assert_int_equal(w.n_ended, status == 501);
        delete_host(&w);
        close_follow(&w);
    }
}

/* The logs of other hosts go on. */
static void test_deletion_of_another_host_is_ignored(void **state)
{
    struct follow w;
    struct joined other;
    struct ws *ws;

    open_follow(&w, *state);
    ws = fixture_join(w.f, "other", true, &other);
    fake_ws_end(TAKE_PTR(w.ws), 1006);
    fake_advance(0);
    fake_ws_end(ws, 1006);
    fleet_drop_host(w.f->fleet, other.host_id);
    fleet_drop_host(w.f->fleet, other.host_id); /* again: there is none any more */
    fake_advance(0);
    assert_int_equal(w.n_ended, 0);
    close_follow(&w);
}

/* Answers the request for a log with one line. */
static void answer_poll(struct follow *w)
{
    const json_t *m = fake_ws_next(w->ws);

    assert_non_null(m);
    assert_string_equal(agent_text(json_object_get(m, "payload"), "action"), "get_logs");
    fake_ws_receive_json(w->ws, json_pack("{s:s, s:O, s:{s:s}}", "type", "response", "id",
                                          json_object_get(m, "id"), "payload", "logs",
                                          "2026-11-23T01:53:00.000000001Z one\n"));
    fake_advance(0);
    if (w->source)
        log_source_ack(w->source, w->cost);
    w->cost = 0;
}

/* An agent without `log_options` is polled until its list has the end of the container. */
static void test_older_agent_is_polled_until_the_exit(void **state)
{
    struct follow w;

    open_follow(&w, *state);
    log_source_free(TAKE_PTR(w.source));
    while (next_stream(&w)) /* of the log without `until_exit` */
        continue;
    w.until_exit = true;
    follow(&w);
    answer_poll(&w);
    assert_int_equal(w.n_lines, 1);
    fake_advance(POLL_MS);
    answer_poll(&w);
    list_containers(&w, json_pack("[o]", agent_container(ID_A, "/web", "exited")));
    assert_int_equal(w.n_ended, 0); /* its last lines were not read yet */
    fake_advance(POLL_MS);
    answer_poll(&w);
    assert_int_equal(w.n_ended, 1);
    assert_int_equal(w.code, CODE_NONE);
    close_follow(&w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_late_agent_gets_a_stop),
        TEST(test_late_restart_is_stopped_and_repeated),
        TEST(test_end_of_the_source_stops_the_agent),
        TEST(test_deleted_host_that_is_offline_ends_the_log),
        TEST(test_deleted_host_ends_the_log),
        TEST(test_error_that_stays_ends_the_log),
        TEST(test_deletion_of_another_host_is_ignored),
        TEST(test_older_agent_is_polled_until_the_exit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
