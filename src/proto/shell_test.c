#include "base/str.h"
#include "proto/json_text.h"
#include "proto/shell.h"

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

static void test_start_of_go_servers(void **state)
{
    json_auto_t *v = parse(
        "{\"action\":\"start\",\"session_id\":\"s\",\"container_id\":\"web\",\"x\":1}");
    struct msg_shell_session m;

    (void)state;
    assert_int_equal(msg_shell_session_decode(v, &m, NULL), 0);
    assert_string_equal(m.action, "start");
    assert_string_equal(m.session_id, "s");
    assert_string_equal(m.container_id, "web");
    assert_false(m.is_plain);
    assert_int_equal(m.window, 0);
    assert_int_equal(m.cmd.n, 0);
    msg_shell_session_done(&m);
}

static void test_start_of_our_server(void **state)
{
    json_auto_t *v = parse(
        "{\"action\":\"start\",\"session_id\":\"s\",\"container_id\":\"web\",\"tty\":false,"
        "\"cmd\":[\"ls\",\"\"],\"env\":[\"A=b\"],\"user\":\"0\",\"workdir\":\"/\","
        "\"window\":4096,\"cols\":80.0,\"rows\":25,\"detach\":true}");
    struct msg_shell_session m;

    (void)state;
    assert_int_equal(msg_shell_session_decode(v, &m, NULL), 0);
    assert_true(m.is_plain);
    assert_true(m.is_detached);
    assert_int_equal(m.window, 4096);
    assert_int_equal(m.cmd.n, 2);
    assert_string_equal(m.cmd.items[1], "");
    assert_string_equal(m.env.items[0], "A=b");
    assert_string_equal(m.user, "0");
    assert_string_equal(m.workdir, "/");
    assert_int_equal(m.cols, 80);
    assert_int_equal(m.rows, 25);
    msg_shell_session_done(&m);
}

static const char *const bad_sessions[] = {
    "[]",
    "null",
    "{}",
    "{\"session_id\":\"s\"}",
    "{\"action\":\"data\"}",
    "{\"action\":\"data\",\"session_id\":\"\"}",
    "{\"action\":\"data\",\"session_id\":1}",
    "{\"action\":\"data\",\"session_id\":\"s\",\"data\":7}",
    "{\"action\":\"start\",\"session_id\":\"s\",\"cmd\":\"ls\"}",
    "{\"action\":\"start\",\"session_id\":\"s\",\"cmd\":[1]}",
    "{\"action\":\"start\",\"session_id\":\"s\",\"window\":-1}",
    "{\"action\":\"start\",\"session_id\":\"s\",\"window\":99999999}",
    "{\"action\":\"resize\",\"session_id\":\"s\",\"cols\":10001}",
    "{\"action\":\"ack\",\"session_id\":\"s\",\"bytes\":-5}",
    "{\"action\":\"ack\",\"session_id\":\"s\",\"bytes\":9223372036854775807}",
};

static void test_invalid_sessions_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad_sessions); i++) {
        json_auto_t *v = json_loads(bad_sessions[i], JSON_DECODE_ANY, NULL);
        struct msg_shell_session m;

        if (msg_shell_session_decode(v, &m, NULL) == 0)
            fail_msg("accepted: %s", bad_sessions[i]);
    }
}

static void test_exit_code(void **state)
{
    static const struct {
        const char *text;
        int64_t exit_code; /* -2: refused */
    } table[] = {
        {"{\"action\":\"closed\",\"session_id\":\"s\"}",                            -1 },
        {"{\"action\":\"closed\",\"session_id\":\"s\",\"exit_code\":null}",         -1 },
        {"{\"action\":\"closed\",\"session_id\":\"s\",\"exit_code\":0}",            0  },
        {"{\"action\":\"closed\",\"session_id\":\"s\",\"exit_code\":137}",          137},
        {"{\"action\":\"closed\",\"session_id\":\"s\",\"exit_code\":\"x\"}",        -2 },
        {"{\"action\":\"ack\",\"session_id\":\"s\",\"bytes\":-1}",                  -2 },
        {"{\"action\":\"ack\",\"session_id\":\"s\",\"bytes\":9223372036854775807}", -2 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        json_auto_t *v = parse(table[i].text);
        struct msg_shell_data m = {0};
        int r = msg_shell_data_decode(v, &m, NULL);

        assert_int_equal(r == 0 ? m.exit_code : -2, table[i].exit_code);
        if (r == 0)
            msg_shell_data_done(&m);
    }
}

static void test_encode(void **state)
{
    json_auto_t *v = msg_shell_session_encode("s", "ack", json_pack("{s:i}", "bytes", 7));
    json_auto_t *expected = parse("{\"type\":\"shell_session\",\"payload\":{\"session_id\":\"s\","
                                  "\"action\":\"ack\",\"bytes\":7}}");

    (void)state;
    assert_true(json_equal(v, expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_of_go_servers),
        cmocka_unit_test(test_start_of_our_server),
        cmocka_unit_test(test_invalid_sessions_are_refused),
        cmocka_unit_test(test_exit_code),
        cmocka_unit_test(test_encode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
