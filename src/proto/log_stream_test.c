#include "base/str.h"
#include "proto/json_text.h"
#include "proto/log_stream.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static json_t *parse(const char *text)
{
    json_t *v = json_text_parse(text, strlen(text), 0, NULL);

    assert_non_null(v);
    return v;
}

static void test_start(void **state)
{
    json_auto_t *v = parse(
        "{\"action\":\"start\",\"stream_id\":\"s\",\"container_id\":\"web\","
        "\"tail\":20,\"since\":\"2026-01-01T00:00:00Z\",\"stderr\":false,"
        "\"window\":4096,\"position\":\"5.1,0.0\",\"unknown\":[],\"details\":true,"
        "\"until_exit\":true}");
    struct msg_log_stream m;

    (void)state;
    assert_int_equal(msg_log_stream_decode(v, &m, NULL), 0);
    assert_string_equal(m.action, "start");
    assert_string_equal(m.stream_id, "s");
    assert_string_equal(m.container_id, "web");
    assert_string_equal(m.since, "2026-01-01T00:00:00Z");
    assert_string_equal(m.position, "5.1,0.0");
    assert_null(m.until);
    assert_int_equal(m.tail, 20);
    assert_int_equal(m.window, 4096);
    assert_false(m.no_out);
    assert_true(m.no_err);
    assert_true(m.has_details);
    assert_true(m.until_exit);
    msg_log_stream_done(&m);
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "[]",
        "{\"action\":\"start\"}",
        "{\"stream_id\":\"s\"}",
        "{\"stream_id\":\"\",\"action\":\"start\"}",
        "{\"stream_id\":\"s\",\"action\":\"start\",\"tail\":-2}",
        "{\"stream_id\":\"s\",\"action\":\"start\",\"tail\":10001}",
        "{\"stream_id\":\"s\",\"action\":\"start\",\"window\":4194305}",
        "{\"stream_id\":\"s\",\"action\":\"start\",\"position\":\"5.1\"}",
        "{\"stream_id\":\"s\",\"action\":\"ack\",\"bytes\":-1}",
    };
    static const char *const bad_data[] = {
        "{\"stream_id\":\"s\"}",
        "{\"stream_id\":\"s\",\"action\":\"lines\",\"lines\":{}}",
        "{\"stream_id\":\"s\",\"action\":\"lines\",\"lines\":[1]}",
        "{\"stream_id\":\"s\",\"action\":\"lines\",\"lines\":[[1,2]]}",
        "{\"stream_id\":\"s\",\"action\":\"lines\",\"lines\":[[3,2,\"x\"]]}",
        "{\"stream_id\":\"s\",\"action\":\"lines\",\"lines\":[[-1,2,\"x\"]]}",
        "{\"stream_id\":\"s\",\"action\":\"lines\",\"lines\":[[1,-2,\"x\"]]}",
        "{\"stream_id\":\"s\",\"action\":\"lines\",\"lines\":[[1,\"2\",\"x\"]]}",
        "{\"stream_id\":\"s\",\"action\":\"lines\",\"lines\":[[1,2,null]]}",
        "{\"stream_id\":\"s\",\"action\":\"lines\",\"bytes\":-1}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        json_auto_t *v = parse(bad[i]);
        struct error err = ERROR_INIT;
        struct msg_log_stream m;

        assert_true(msg_log_stream_decode(v, &m, &err) < 0);
        assert_true(str_starts_with(err.msg, "log_stream: "));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad_data); i++) {
        json_auto_t *v = parse(bad_data[i]);
        struct error err = ERROR_INIT;
        struct msg_log_data m;

        assert_true(msg_log_data_decode(v, &m, &err) < 0);
        assert_true(str_starts_with(err.msg, "log_data: "));
    }
}

static void test_lines(void **state)
{
    json_auto_t *v = parse(
        "{\"stream_id\":\"s\",\"action\":\"lines\",\"bytes\":70,\"lines\":["
        "[1,1763859181123456789,\"a\\u0000b\"],[2,7,\"half\",true],[0,8,\"restarted\"]]}");
    struct msg_log_data m;
    struct msg_log_line line;

    (void)state;
    assert_int_equal(msg_log_data_decode(v, &m, NULL), 0);
    assert_int_equal(json_array_size(m.lines), 3);
    assert_int_equal(msg_log_line_read(json_array_get(m.lines, 0), &line), 0);
    assert_int_equal(line.kind, LOG_KIND_STDOUT);
    assert_int_equal(line.time_ns, 1763859181123456789);
    assert_int_equal(line.size, 3);
    assert_memory_equal(line.text, "a\0b", 4);
    assert_false(line.is_partial);
    assert_int_equal(msg_log_line_read(json_array_get(m.lines, 1), &line), 0);
    assert_int_equal(line.kind, LOG_KIND_STDERR);
    assert_true(line.is_partial);
    assert_int_equal(msg_log_line_read(json_array_get(m.lines, 2), &line), 0);
    assert_int_equal(line.kind, LOG_KIND_NOTE);
    msg_log_data_done(&m);
}

static void test_encode(void **state)
{
    json_auto_t *v = msg_log_stream_encode("s", "ack", json_pack("{s:i}", "bytes", 5));
    json_auto_t *want = parse(
        "{\"type\":\"log_stream\",\"payload\":{\"stream_id\":\"s\",\"action\":"
        "\"ack\",\"bytes\":5}}");

    (void)state;
    assert_true(json_equal(v, want));
}

static void test_positions(void **state)
{
    static const char *const bad[] = {
        "",         "1",        "1.2",      "1.2,3",   "1.2,3.",
        "1.2,3.4,", "1.2,3.4 ", "-1.2,3.4", "a.b,c.d", "1.2,99999999999999999999.1"};
    struct log_position p = {0}, q;
    char text[LOG_POSITION_TEXT_SIZE];

    (void)state;
    assert_true(log_position_is_empty(&p));
    log_position_add(&p, LOG_KIND_NOTE, 99);
    assert_true(log_position_is_empty(&p));
    log_position_add(&p, LOG_KIND_STDOUT, 10);
    log_position_add(&p, LOG_KIND_STDOUT, 10);
    log_position_add(&p, LOG_KIND_STDERR, INT64_MAX);
    log_position_add(&p, LOG_KIND_STDOUT, 9); /* ignored after the clock was set back */
    assert_string_equal(log_position_format(&p, text), "10.2,9223372036854775807.1");
    assert_int_equal(log_position_newest(&p), INT64_MAX);
    assert_int_equal(log_position_parse(text, &q), 0);
    assert_memory_equal(&p, &q, sizeof(p));
    log_position_add(&p, LOG_KIND_STDOUT, 11);
    assert_int_equal(p.streams[0].n_same, 1);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(log_position_parse(bad[i], &q) < 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_lines),     cmocka_unit_test(test_encode),
        cmocka_unit_test(test_positions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
