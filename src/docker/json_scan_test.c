#include "base/alloc.h"
#include "docker/json_scan.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text;
    int expected;
} checks[] = {
    {"{}",                                             0       },
    {" [ ] ",                                          0       },
    {"null",                                           0       },
    {"-0.5e+10",                                       0       },
    {"\"a\\u00e9\\ud83d\\ude00\"",                     0       },
    {"{\"a\":[1,{\"b\":[]},true],\"c\":\"\\\\\\\"\"}", 0       },
    {"[1,2",                                           -EBADMSG},
    {"[1,]",                                           -EBADMSG},
    {"[,1]",                                           -EBADMSG},
    {"{\"a\"}",                                        -EBADMSG},
    {"{\"a\":}",                                       -EBADMSG},
    {"{\"a\":1,}",                                     -EBADMSG},
    {"{a:1}",                                          -EBADMSG},
    {"[1}",                                            -EBADMSG},
    {"{\"a\":1]",                                      -EBADMSG},
    {"01",                                             -EBADMSG},
    {"1.",                                             -EBADMSG},
    {"1e",                                             -EBADMSG},
    {"-",                                              -EBADMSG},
    {"+1",                                             -EBADMSG},
    {"nul",                                            -EBADMSG},
    {"[] []",                                          -EBADMSG},
    {"",                                               -EBADMSG},
    {"  ",                                             -EBADMSG},
    {"\"\n\"",                                         -EBADMSG},
    {"\"\\x\"",                                        -EBADMSG},
    {"\"\\u12g4\"",                                    -EBADMSG},
    {"\"\\u12",                                        -EBADMSG},
    {"\"\\",                                           -EBADMSG},
    {"\"\xff\"",                                       -EBADMSG},
    {"\"\xc3\"",                                       -EBADMSG},
    {"\"\xed\xa0\x80\"",                               -EBADMSG},
    {"\"\xc3\xa9\xf0\x9f\x98\x80\"",                   0       },
    {"\"\\u0000\"",                                    1       },
    {"\"\\ud83d x\"",                                  1       },
    {"\"\\ude00\"",                                    1       },
    {"\"\\ud83d\\ud83d\\ude00\"",                      1       },
};

static void test_check(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        /* An exact copy, so that the sanitizer detects a read beyond the end. */
        size_t n = strlen(checks[i].text);
        char *copy = xmemdup(checks[i].text, n);
        int r = json_scan_check(copy, n, NULL);

        if (r != checks[i].expected)
            fail_msg("%s: %d instead of %d", checks[i].text, r, checks[i].expected);
        free(copy);
    }
}

/* The scanner and jansson must accept the same texts. */
static void expect_agreement(const char *text, size_t n)
{
    json_t *v = json_loadb(text, n, JSON_DECODE_ANY, NULL);
    int r = json_scan_check(text, n, NULL);

    if ((v != NULL) != (r == 0))
        fail_msg("%.*s: jansson %s, scanner %d", (int)n, text, v ? "accepts it" : "refuses it", r);
    json_decref(v);
}

static void test_agrees_with_jansson(void **state)
{
    static const char seed[] =
        "{\"Id\":\"ab\\\"c\",\"n\":[-1.5e3, 0,{\"x\":null}],\"t\":[true,false],\"\\u00e9\":\"\xc3\xa9\"}";
    static const char alphabet[] = "{}[]\",:\\u0eE+-.1tfn \xc3\xa9\x01";
    size_t n = sizeof(seed) - 1;

    (void)state;
    for (size_t at = 0; at < n; at++) {
        for (size_t c = 0; c < sizeof(alphabet) - 1; c++) {
            char *text = xmemdup(seed, n);

            text[at] = alphabet[c];
            expect_agreement(text, n);
            free(text);
        }
        assert_int_equal(json_scan_check(seed, at, NULL), -EBADMSG); /* truncated at every byte */
    }
}

static void test_depth(void **state)
{
    char text[2 * (JSON_SCAN_MAX_DEPTH + 1)];
    size_t n = JSON_SCAN_MAX_DEPTH;

    (void)state;
    memset(text, '[', n);
    memset(text + n, ']', n);
    assert_int_equal(json_scan_check(text, 2 * n, NULL), 0);
    n++;
    memset(text, '[', n);
    memset(text + n, ']', n);
    assert_int_equal(json_scan_check(text, 2 * n, NULL), -EBADMSG);
}

static void test_mend(void **state)
{
    char text[] = "[\"a\\u0000b\",\"\\\\u0000\",\"\\ud83d\\ude00\",\"\\ud83d!\",\"\\udead\"]";

    (void)state;
    json_scan_mend(text, strlen(text));
    assert_string_equal(
        text, "[\"a\\ufffdb\",\"\\\\u0000\",\"\\ud83d\\ude00\",\"\\ufffd!\",\"\\ufffd\"]");
    assert_int_equal(json_scan_check(text, strlen(text), NULL), 0);
}

static struct json_span span(const char *s)
{
    return (struct json_span){s, strlen(s)};
}

static void test_iterate(void **state)
{
    static const struct {
        const char *key, *value;
    } expected[] = {
        {"a",      "1"                  },
        {"b\\\"}", "\"x,]\\\\\""        },
        {"c",      "[1, {\"d\": \"}\"}]"},
        {"",       "{}"                 },
        {"e",      "null"               },
    };
    struct json_span key, value;
    struct json_iter it;
    size_t i = 0;

    (void)state;
    json_iter_init(
        &it,
        span(
            "{ \"a\" : 1 , \"b\\\"}\":\"x,]\\\\\",\"c\":[1, {\"d\": \"}\"}]\n,\"\":{},\"e\":null}"));
    while (json_iter_next(&it, &key, &value)) {
        assert_true(i < 5);
        assert_true(json_span_is(key, expected[i].key));
        assert_true(json_span_is(value, expected[i].value));
        i++;
    }
    assert_int_equal(i, 5);

    json_iter_init(&it, span("[]"));
    assert_false(json_iter_next(&it, &key, &value));
    json_iter_init(&it, span("\"[1]\""));
    assert_false(json_iter_next(&it, &key, &value));
}

static void test_find_and_copy(void **state)
{
    struct json_span object = span("{\"a\":{\"b\":\"text\"},\"b\":7,\"q\":\"\\n\"}");
    char to[5];

    (void)state;
    assert_true(json_span_is(json_span_find(object, "b"), "7"));
    assert_null(json_span_find(object, "c").p);
    assert_null(json_span_find(span("[1]"), "a").p);
    assert_true(json_span_copy_string(json_span_find(json_span_find(object, "a"), "b"), to, 5));
    assert_string_equal(to, "text");
    assert_false(json_span_copy_string(json_span_find(json_span_find(object, "a"), "b"), to, 4));
    assert_false(json_span_copy_string(json_span_find(object, "b"), to, 5));
    assert_false(json_span_copy_string(json_span_find(object, "q"), to, 5));
}

static const struct {
    const char *bytes;
    size_t size;
    const char *json;
} strings[] = {
    {"",             0, "\"\""                        },
    {"a/b<c>",       6, "\"a/b<c>\""                  },
    {"\"\\\n\r\t",   5, "\"\\\"\\\\\\n\\r\\t\""       },
    {"\x01\x1f\x7f", 3, "\"\\u0001\\u001f\x7f\""      },
    {"a\0b",         3,
     "\"a\xef\xbf\xbd"
     "b\""                                            },
    {"\xc3\xa9",     2, "\"\xc3\xa9\""                },
    {"\xc3",         1, "\"\xef\xbf\xbd\""            },
    {"\xff\xfe",     2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
};

static void test_write_string(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        struct buf b = BUF_INIT(100);
        size_t encoded, want = strlen(strings[i].json) - 2;

        assert_int_equal(json_append_string(&b, strings[i].bytes, strings[i].size), 0);
        assert_string_equal(buf_str(&b), strings[i].json);
        assert_int_equal(json_string_fit(strings[i].bytes, strings[i].size, 100, &encoded),
                         strings[i].size);
        assert_int_equal(encoded, want);
        if (want > 0) {
            assert_true(json_string_fit(strings[i].bytes, strings[i].size, want - 1, &encoded) <
                        strings[i].size);
            assert_true(encoded < want);
        }
        buf_done(&b);
    }
}

static void test_write_string_limit(void **state)
{
    struct buf b = BUF_INIT(6);

    (void)state;
    assert_int_equal(buf_append_str(&b, "x"), 0);
    assert_int_equal(json_append_string(&b, "abcd", 4), -EMSGSIZE);
    assert_string_equal(buf_str(&b), "x");
    assert_int_equal(json_append_string(&b, "abc", 3), 0);
    assert_string_equal(buf_str(&b), "x\"abc\"");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),        cmocka_unit_test(test_agrees_with_jansson),
        cmocka_unit_test(test_depth),        cmocka_unit_test(test_mend),
        cmocka_unit_test(test_iterate),      cmocka_unit_test(test_find_and_copy),
        cmocka_unit_test(test_write_string), cmocka_unit_test(test_write_string_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
