#include "agent/logs/session_logs.h"
#include "agent/session/session_fixture.h"
#include "agent/shell/shells.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "proto/log_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START(fields) \
    "{\"type\":\"log_stream\",\"payload\":{\"action\":\"start\",\"stream_id\":\"s\"," fields "}}"
#define INSPECT(running)                                                                \
    "{\"Id\":\"" A "\",\"State\":{\"Running\":" running                                 \
    ",\"StartedAt\":\"2026-11-23T01:00:00Z\",\"FinishedAt\":\"0001-01-01T00:00:00Z\"}," \
    "\"Config\":{\"Tty\":true}}"
/* The same after its next start. */
#define AGAIN                                                                               \
    "{\"Id\":\"" A "\",\"State\":{\"Running\":true,\"StartedAt\":\"2026-11-23T02:00:00Z\"," \
    "\"FinishedAt\":\"2026-11-23T01:59:00Z\"},\"Config\":{\"Tty\":true}}"
#define T(n) "2026-11-23T01:53:00.00000000" n "Z "

static const json_t *payload(const json_t *message)
{
    return json_object_get(message, "payload");
}

static const char *line_text(const json_t *message, size_t i)
{
    return json_string_value(
        json_array_get(json_array_get(json_object_get(payload(message), "lines"), i), 2));
}

/* Returns the message with this text, which may have been sent from within say(). */
static const json_t *expect(struct fixture *f, const char *text)
{
    for (size_t i = 0; i < f->n_sent; i++) {
        _cleanup_free_ char *sent = json_dumps(f->sent[i], JSON_COMPACT);

        if (strstr(sent, text))
            return f->sent[i];
    }
    return wait_for(f, text);
}

static void open_on(struct fixture *f, const struct fake_line *lines, size_t n)
{
    set_up(f, lines, n);
    open_session(f, (struct session_options){0});
}

static void test_stopped_container(void **state)
{
    static const struct fake_line lines[] = {
        {.request = "GET /containers/web/json",                                                  .body = INSPECT("false")},
        {.request = "GET /containers/" A "/json",                                                .body = INSPECT("false")},
        {.request = "GET /containers/" A "/logs?follow=0&stdout=1&stderr=1&timestamps=1&tail=5",
         .answer = STREAM_HEAD T("1") "one\r\n" T("2") "two\r\n" T("3") "no end"                                         },
    };
    struct fixture f;
    const json_t *m;

    (void)state;
    open_on(&f, lines, ARRAY_LEN(lines));
    say(&f, START("\"container_id\":\"web\",\"tail\":5,\"window\":100000"));
    (void)expect(&f, "\"started\"");
    m = expect(&f, "one");
    assert_string_equal(text_of(m, "command"), "log_data");
    assert_string_equal(line_text(m, 0), "one");
    assert_string_equal(line_text(m, 1), "two");
    (void)expect(&f, "no end");
    say(&f, "{\"type\":\"log_stream\",\"payload\":{\"action\":\"stop\",\"stream_id\":\"s\"}}");
    (void)expect(&f, "\"stopped\"");
    tear_down(&f);
}

static void test_until_exit_and_details(void **state)
{
    static const struct fake_line lines[] = {
        {.request = "GET /containers/web/json",                                                      .body = INSPECT("false")},
        {.request = "GET /containers/" A "/json",                                                    .body = INSPECT("false")},
        {.request = "GET /containers/" A "/logs?follow=0&stdout=1&stderr=1&timestamps=1&details=1&",
         .answer = STREAM_HEAD T("1") "a=b one\r\n" T("3") "no end"                                                          },
    };
    struct fixture f;

    (void)state;
    open_on(&f, lines, ARRAY_LEN(lines));
    say(&f, START("\"container_id\":\"web\",\"window\":9999,\"details\":true,\"until_exit\":true"));
    (void)expect(&f, "no end");
    (void)expect(&f, "\"exited\"");
    tear_down(&f);
}

/* The container was started again before the agent looked: the next run is not followed. */
static void test_until_exit_ends_before_the_next_run(void **state)
{
    static const struct fake_line lines[] = {
        {.request = "GET /containers/web/json",            .body = INSPECT("true")               },
        {.request = "GET /containers/" A "/logs?follow=1", .answer = STREAM_HEAD T("1") "one\r\n"},
        {.request = "GET /containers/" A "/logs?follow=0",
         .answer = STREAM_HEAD T("1") "one\r\n" T("2") "two\r\n"
                                                       "2026-11-23T02:00:01.000000000Z next\r\n" },
        {.request = "GET /containers/" A "/json",          .body = AGAIN                         },
    };
    struct fixture f;

    (void)state;
    open_on(&f, lines, ARRAY_LEN(lines));
    say(&f, START("\"container_id\":\"web\",\"window\":9999,\"until_exit\":true"));
    (void)expect(&f, "\"exited\"");
    (void)expect(&f, "two");
    for (size_t i = 0; i < f.n_sent; i++) {
        _cleanup_free_ char *sent = json_dumps(f.sent[i], JSON_COMPACT);

        assert_null(strstr(sent, "next"));
    }
    tear_down(&f);
}

/*
 * The first lines of the next run came with the last ones of the one before, so that the restart is
 * found when they have been sent. It is reported at once: nothing else may come for a long time.
 */
static void test_a_restart_that_is_found_late_is_reported(void **state)
{
    static const struct fake_line lines[] = {
        {.request = "GET /containers/web/json",            .body = INSPECT("true")},
        {.request = "GET /containers/" A "/logs?follow=1",
         .answer = STREAM_HEAD T("1") "one\r\n"
                                      "2026-11-23T02:00:01.000000000Z next\r\n"   },
        {.request = "GET /containers/" A "/json",          .body = AGAIN          },
    };
    struct fixture f;

    (void)state;
    open_on(&f, lines, ARRAY_LEN(lines));
    say(&f, START("\"container_id\":\"web\",\"window\":9999"));
    (void)expect(&f, "next");
    (void)expect(&f, "restarted");
    tear_down(&f);
}

/* A log driver that keeps nothing will not keep anything later: no second request. */
static void test_log_that_cannot_be_read(void **state)
{
    static const struct fake_line lines[] = {
        {.request = "GET /containers/web/json",            .body = INSPECT("true")},
        {.request = "GET /containers/" A "/json",          .body = INSPECT("true")},
        {.request = "GET /containers/" A "/logs?follow=1",
         .answer = "HTTP/1.1 501 Not Implemented\r\nContent-Length: 26\r\n\r\n"
                   "{\"message\":\"not readable\"}"                               },
    };
    struct fixture f;

    (void)state;
    open_on(&f, lines, ARRAY_LEN(lines));
    say(&f, START("\"container_id\":\"web\",\"window\":9999,\"position\":\"5.1,0.0\""));
    (void)expect(&f, "not readable");
    tear_down(&f);
}

/* A log with an entry that the engine cannot read: the same message ends each body. */
static void test_error_in_the_log_is_said_once(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n"
                                 "\x03\xfe\xfe\xfe\xfe\xfe\xfe\x05"
                                 "torn\n";
    static const char running[] = "{\"Id\":\"" A
                                  "\",\"State\":{\"Running\":true},\"Config\":{\"Tty\":false}}";
    static const struct fake_line lines[] = {
        {.request = "GET /containers/web/json",            .body = running },
        {.request = "GET /containers/" A "/json",          .body = running },
        {.request = "GET /containers/" A "/logs?follow=1", .answer = answer},
    };
    struct fixture f;
    size_t n = 0;

    (void)state;
    open_on(&f, lines, ARRAY_LEN(lines));
    say(&f, START("\"container_id\":\"web\",\"window\":9999"));
    (void)expect(&f, "torn");
    run(&f, 4000);
    for (size_t i = 0; i < f.n_sent; i++) {
        _cleanup_free_ char *text = json_dumps(f.sent[i], 0);

        n += strstr(text, "torn") != NULL;
    }
    assert_int_equal(n, 1);
    /*
     * The waits are random below 0.5, 1, 2, ... s: 1 of 60,000 runs makes more than 9 requests.
     * Without the back-off there are about 17.
     */
    assert_in_range(fake_engine_count(f.fake, "GET /containers/" A "/logs"), 2, 9);
    tear_down(&f);
}

/* Of 1,000 lines only those within the window are sent, and the rest after the ack. */
static void test_window(void **state)
{
    struct buf answer = BUF_INIT(1 << 20);
    struct fixture f;
    size_t n_before;

    (void)state;
    assert_int_equal(buf_append_str(&answer, STREAM_HEAD), 0);
    for (int i = 1; i <= 1000; i++)
        assert_int_equal(buf_printf(&answer, "2026-11-23T01:53:00.%09dZ line %d.\r\n", i, i), 0);
    const struct fake_line lines[] = {
        {.request = "GET /containers/web/json", .body = INSPECT("true")},
        {                                                                                        .request = "GET /containers/" A "/json",              .body = INSPECT("true")                       },
        { .request = "GET /containers/" A "/logs?follow=1&stdout=1&stderr=1&timestamps=1&tail=all",
         .how = FAKE_HANG,
         .answer = buf_str(&answer)},
    };
    open_on(&f, lines, ARRAY_LEN(lines));
    say(&f, START("\"container_id\":\"web\",\"window\":20000"));
    (void)expect(&f, "line 1.");
    run(&f, 300);
    n_before = f.n_sent;
    run(&f, 300);
    assert_int_equal(f.n_sent, n_before);
    for (size_t i = 0; i < f.n_sent; i++) {
        _cleanup_free_ char *text = json_dumps(f.sent[i], 0);

        assert_null(strstr(text, "line 1000."));
    }
    say(&f,
        "{\"type\":\"log_stream\",\"payload\":{\"action\":\"ack\",\"stream_id\":\"s\",\"bytes\":"
        "1000000}}");
    (void)expect(&f, "line 1000.");
    tear_down(&f);
    buf_done(&answer);
}

/* The engine may keep the body of a removed container open: the event ends the follow. */
static void test_removed_container(void **state)
{
    /* clang-format off */
    static const struct fake_line lines[] = {
        {"GET /_ping", FAKE_SEND, NULL, "OK"},
        {"GET /events", FAKE_HANG, STREAM_HEAD EVENT("destroy", A, "100"), NULL},
        {"GET /containers/web/json", FAKE_SEND, NULL, INSPECT("true")},
        {"GET /containers/" A "/logs?follow=1", FAKE_HANG, STREAM_HEAD T("1") "one\r\n" T("2") "no end", NULL},
    };
    /* clang-format on */
    struct fixture f;

    (void)state;
    open_on(&f, lines, ARRAY_LEN(lines));
    say(&f, START("\"container_id\":\"web\",\"window\":100000"));
    (void)expect(&f, "one");
    events_start(f.events);
    (void)expect(&f, "no end");
    (void)expect(&f, "\"gone\"");
    tear_down(&f);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *start, *error;
    } cases[] = {
        {START("\"window\":5"),                                                            "container_id is required"},
        {START("\"container_id\":\"web\""),                                                "window is required"      },
        {START("\"container_id\":\"../x\",\"window\":5"),                                  "container_id is neither" },
        {START("\"container_id\":\"web\",\"window\":5,\"since\":\"soon\""),                "since: \\\"soon\\\""     },
        {START("\"container_id\":\"web\",\"window\":5,\"stdout\":false,\"stderr\":false"),
         "neither stdout nor stderr"                                                                                 },
        {START("\"container_id\":\"web\",\"window\":5"),                                   "\"status\": 404"         },
    };
    struct fixture f;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        open_on(&f, NULL, 0);
        say(&f, cases[i].start);
        (void)expect(&f, "\"error\"");
        _cleanup_free_ char *text = json_dumps(f.sent[f.n_sent - 1], 0);
        assert_non_null(strstr(text, cases[i].error));
        tear_down(&f);
    }
}

/* A follow with a position omits the lines that an earlier one has sent. */
static void test_position(void **state)
{
    static const struct fake_line lines[] = {
        {.request = "GET /containers/web/json", .body = INSPECT("true")},
        {                                                                                   .request = "GET /containers/" A "/json",              .body = INSPECT("true")                       },
        { .request = "GET /containers/" A
                    "/logs?follow=1&stdout=1&stderr=1&timestamps=1&tail=all&since=",                  .how = FAKE_HANG,
         .answer = STREAM_HEAD T("1") "old\r\n" T("2") "known\r\n" T("2") "fresh\r\n" T(
             "3") "newer\r\n"},
    };
    struct fixture f;
    const json_t *m;

    (void)state;
    open_on(&f, lines, ARRAY_LEN(lines));
    say(&f,
        START(
            "\"container_id\":\"web\",\"window\":9999,\"position\":\"1795398780000000002.1,0.0\""));
    m = expect(&f, "newer");
    assert_string_equal(line_text(m, 0), "fresh");
    assert_string_equal(line_text(m, 1), "newer");
    assert_int_equal(json_array_size(json_object_get(payload(m), "lines")), 2);
    tear_down(&f);
}

/* A container that has stopped since the position has lines that were not sent yet. */
static void test_position_of_stopped_container(void **state)
{
    /* clang-format off */
    static const struct fake_line lines[] = {
        {"GET /containers/web/json", FAKE_SEND, NULL, INSPECT("false")},
        {"GET /containers/" A "/json", FAKE_SEND, NULL, INSPECT("false")},
        {"GET /containers/" A "/logs?follow=0&stdout=1&stderr=1&timestamps=1&tail=all&since=", FAKE_SEND,
         STREAM_HEAD T("1") "old\r\n" T("2") "known\r\n" T("3") "last words\r\n", NULL},
    };
    /* clang-format on */
    struct fixture f;
    const json_t *m;

    (void)state;
    open_on(&f, lines, ARRAY_LEN(lines));
    say(&f,
        START(
            "\"container_id\":\"web\",\"window\":9999,\"position\":\"1795398780000000002.1,0.0\""));
    m = expect(&f, "last words");
    assert_int_equal(json_array_size(json_object_get(payload(m), "lines")), 1);
    tear_down(&f);
}

/* The tail is for the first run only: a later one is read whole, though the first had no lines. */
static void test_tail_is_applied_once(void **state)
{
    /* clang-format off */
    static const struct fake_line lines[] = {
        {"GET /containers/web/json", FAKE_SEND, NULL, INSPECT("true")},
        {"GET /containers/" A "/json", FAKE_SEND, NULL, INSPECT("true")},
        {"GET /containers/" A "/logs?follow=1&stdout=1&stderr=1&timestamps=1&tail=1", FAKE_SEND,
         STREAM_HEAD, NULL},
        {"GET /containers/" A "/logs?follow=1&stdout=1&stderr=1&timestamps=1&tail=all", FAKE_HANG,
         STREAM_HEAD T("1") "one\r\n" T("2") "two\r\n", NULL},
    };
    /* clang-format on */
    struct fixture f;
    const json_t *m;

    (void)state;
    open_on(&f, lines, ARRAY_LEN(lines));
    say(&f, START("\"container_id\":\"web\",\"tail\":1,\"window\":100000"));
    m = expect(&f, "two");
    assert_string_equal(line_text(m, 0), "one");
    assert_int_equal(fake_engine_count(f.fake, lines[2].request), 1);
    tear_down(&f);
}

/* One log more than an agent follows is refused, and one that has ended makes room. */
static void test_limit_of_logs(void **state)
{
    static const char start[] = "{\"type\":\"log_stream\",\"payload\":{\"action\":\"%s\","
                                "\"stream_id\":\"%d\",\"container_id\":\"web\",\"window\":9}}";
    struct fixture f;
    char text[256];

    (void)state;
    open_on(&f, NULL, 0);
    for (int i = 0; i <= SESSION_LOGS_MAX; i++) {
        assert_int_equal(f.n_sent, 0);
        (void)snprintf(text, sizeof(text), start, "start", i);
        say(&f, text);
    }
    assert_int_equal(f.n_sent, 1);
    assert_string_equal(text_of(payload(f.sent[0]), "error"),
                        "too many logs of this host are followed (128)");
    assert_string_equal(text_of(payload(f.sent[0]), "stream_id"), "128");
    (void)snprintf(text, sizeof(text), start, "stop", 7);
    say(&f, text);
    assert_int_equal(f.n_sent, 2);
    (void)snprintf(text, sizeof(text), start, "start", 7);
    say(&f, text);
    assert_int_equal(f.n_sent, 2);
    tear_down(&f);
}

/* The same for shells. */
static void test_limit_of_shells(void **state)
{
    struct fixture f;
    char text[256];

    (void)state;
    open_on(&f, NULL, 0);
    for (int i = 0; i <= SHELLS_MAX; i++) {
        assert_int_equal(f.n_sent, 0);
        (void)snprintf(text, sizeof(text),
                       "{\"type\":\"shell_session\",\"payload\":{\"action\":\"start\","
                       "\"session_id\":\"%d\",\"container_id\":\"web\"}}",
                       i);
        say(&f, text);
    }
    assert_int_equal(f.n_sent, 1);
    assert_string_equal(text_of(payload(f.sent[0]), "error"),
                        "too many shells are open on this host (16)");
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopped_container),
        cmocka_unit_test(test_until_exit_and_details),
        cmocka_unit_test(test_until_exit_ends_before_the_next_run),
        cmocka_unit_test(test_a_restart_that_is_found_late_is_reported),
        cmocka_unit_test(test_log_that_cannot_be_read),
        cmocka_unit_test(test_error_in_the_log_is_said_once),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_removed_container),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_position),
        cmocka_unit_test(test_position_of_stopped_container),
        cmocka_unit_test(test_tail_is_applied_once),
        cmocka_unit_test(test_limit_of_logs),
        cmocka_unit_test(test_limit_of_shells),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
