#include "base/macros.h"
#include "proto/stats_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ID "04841b5c72d6914163f866571c2eebf2c8a6f08dbf72b7e7d2097d2b983faefc"

/* The fuzz target compares all values with those of the tree. */
static void test_the_form_of_go_agents(void **state)
{
    static const char text[] =
        "{\"type\":\"event\",\"command\":\"container_stats\",\"payload\":{\"container_id\":\"" ID
        "\",\"container_name\":\"/sick\",\"cpu_percent\":0.3,\"disk_read\":1,\"disk_write\":2,"
        "\"memory_limit\":25276510208,\"memory_percent\":4,\"memory_usage\":712704,"
        "\"network_rx\":516,\"network_tx\":0,\"timestamp\":\"2026-12-01T21:19:03Z\"},"
        "\"timestamp\":\"2026-12-01T21:19:03.361941486Z\"}";
    struct stats_text s;

    (void)state;
    assert_true(stats_text_read(text, sizeof(text) - 1, &s));
    assert_string_equal(s.m.container_id, ID);
    assert_string_equal(s.m.container_name, "sick");
    assert_true(s.m.cpu_percent > 0.299 && s.m.cpu_percent < 0.301);
    assert_int_equal(s.m.memory_limit, INT64_C(25276510208));
    assert_int_equal(s.m.network_rx, 516);
    for (size_t n = 0; n < sizeof(text) - 1; n++) /* cut at every byte */
        assert_false(stats_text_read(text, n, &s));
}

static void test_other_forms_are_left_to_the_tree(void **state)
{
    static const char *const payloads[] = {
        "{}",
        "{\"container_id\":\"\"}",
        "{\"container_id\":\"a\",\"container_id\":\"b\"}",
        "{\"container_id\":\"a\",}",
        "{\"container_id\":\"a\"}}",
        "{\"container_id\":\"a\\n\"}",
        "{\"container_id\":\"\xc3\xa4\"}",
        "{\"container_id\":1}",
        "{\"container_id\":null}",
        "{\"container_id\":\"a\",\"stats\":{}}",
        "{\"container_id\":\"a\",\"network_rx\":-1}",
        "{\"container_id\":\"a\",\"network_rx\":01}",
        "{\"container_id\":\"a\",\"network_rx\":1.5}",
        "{\"container_id\":\"a\",\"network_rx\":1e3}",
        "{\"container_id\":\"a\",\"network_rx\":1234567890123456}",
        "{\"container_id\":\"a\",\"cpu_percent\":.5}",
        "{\"container_id\":\"a\",\"cpu_percent\":5.}",
        "{\"container_id\":\"a\",\"cpu_percent\":\"5\"}",
        "[]",
        "",
    };
    struct stats_text s;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
        if (stats_text_read_payload(payloads[i], strlen(payloads[i]), &s))
            fail_msg("%s", payloads[i]);
    }
    assert_true(stats_text_read_payload("{ \"container_id\" : \"a\" }", 24, &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_form_of_go_agents),
        cmocka_unit_test(test_other_forms_are_left_to_the_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
