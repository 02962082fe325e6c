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
    {"{\"a\":1,\"b\":{\"a\":2}}",                      0       },
    {"[{\"a\":1},{\"a\":2}]",                          0       },
    {"{\"a\":1,\"b\":2,\"a\":3}",                      1       },
    {"{\"a\":{\"x\":1,\"x\":2}}",                      1       },
    {"999999999999999999",                             0       },
    {"9223372036854775808",                            1       },
    {"1e999",                                          1       },
    {"-1E-999",                                        1       },
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

/* Jansson must accept what the scanner accepts, after mending, and nothing else. */
static void expect_agreement(const char *text, size_t n)
{
    json_t *v = json_loadb(text, n, JSON_DECODE_ANY, NULL);
    int r = json_scan_check(text, n, NULL);

    if (r < 0 ? v != NULL : r == 0 && !v)
        fail_msg("%.*s: jansson %s, scanner %d", (int)n, text, v ? "accepts it" : "refuses it", r);
    json_decref(v);
    if (r > 0) {
        char *copy = xmemdup(text, n);

        v = json_loadb(copy, json_scan_mend(copy, n), JSON_DECODE_ANY | JSON_REJECT_DUPLICATES,
                       NULL);
        if (!v)
            fail_msg("%.*s: jansson refuses the mended text", (int)n, text);
        json_decref(v);
        free(copy);
    }
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
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"[\"a\\u0000b\",\"\\\\u0000\",\"\\ud83d\\ude00\",\"\\ud83d!\",\"\\udead\"]",
         "[\"a\\ufffdb\",\"\\\\u0000\",\"\\ud83d\\ude00\",\"\\ufffd!\",\"\\ufffd\"]"                               },
        {" { \"a\" : 1 , \"b\" : [ ] , \"c\" : { } } ",                               "{\"a\":1,\"b\":[],\"c\":{}}"},
        {"{\"a\":1,\"b\":2,\"a\":[{\"x\":3}]}",                                       "{\"a\":1,\"b\":2}"          },
        {"{\"a\":{\"a\":1,\"a\":2},\"a\":2}",                                         "{\"a\":{\"a\":1}}"          },
        {"{\"\\u0000a\":\"1\",\"\\ufffda\":\"2\",\"\ufffda\":\"3\"}",                 "{\"\\ufffda\":\"1\"}"       },
        {"{\"\\u0061\\n\":1,\"a\\u000a\":2,\"\\ud83d\\ude00\":3,\"\U0001f600\":4}",
         "{\"\\u0061\\n\":1,\"\\ud83d\\ude00\":3}"                                                                 },
        {"{\"\\u00e9\":1,\"\u00e9\":2,\"\\u20ac\":3,\"\u20ac\":4,\"\":5,\"\":6}",
         "{\"\\u00e9\":1,\"\\u20ac\":3,\"\":5}"                                                                    },
        {"[9223372036854775807,9223372036854775808,-9223372036854775809,-0]",
         "[9223372036854775807,9223372036854775807,-9223372036854775808,-0]"                                       },
        {"[1e999,-1e999,1e5,1.5e-999]",                                               "[null,null,1e5,1.5e-999]"   },
        {"\"\\u0000\"",                                                               "\"\\ufffd\""                },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = xmemdup(cases[i].text, strlen(cases[i].text));
        size_t n = json_scan_mend(text, strlen(cases[i].text));
        json_t *v = json_loadb(text, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

        if (n != strlen(cases[i].want) || memcmp(text, cases[i].want, n) != 0)
            fail_msg("case %zu: %.*s", i, (int)n, text);
        assert_non_null(v);
        json_decref(v);
        free(text);
    }
}

static void test_mend_values(void **state)
{
    char text[] = "{\"a\":1e999,\"a\":-2E308,\"b\":[2e308],\"c\":92233720368547758070,\"d\":1.5}";
    static const char want[] = "{\"a\":1e308,\"a\":-1e308,\"b\":[1e308],\"c\":9223372036854775807,"
                               "\"d\":1.5}";
    size_t n = json_scan_mend_values(text, strlen(text));

    (void)state;
    assert_int_equal(n, strlen(want));
    assert_memory_equal(text, want, n);
}

/* Enough keys for the other way to find duplicates. */
static void test_duplicate_among_many_keys(void **state)
{
    struct buf b = BUF_INIT(10000);
    json_t *v;

    (void)state;
    (void)buf_append_str(&b, "{\"k0\":0");
    for (int i = 1; i < 500; i++)
        (void)buf_printf(&b, ",\"k%d\":%d", i, i);
    (void)buf_append_str(&b, "}");
    assert_int_equal(json_scan_check(b.data, b.size, NULL), 0);
    b.data[b.size - 1] = ',';
    (void)buf_append_str(&b, "\"k7\":-1}");
    assert_int_equal(json_scan_check(b.data, b.size, NULL), 1);
    v = json_loadb(b.data, json_scan_mend(b.data, b.size), JSON_REJECT_DUPLICATES, NULL);
    assert_int_equal(json_object_size(v), 500);
    assert_int_equal(json_integer_value(json_object_get(v, "k7")), 7);
    json_decref(v);
    buf_done(&b);
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
        cmocka_unit_test(test_mend_values),  cmocka_unit_test(test_duplicate_among_many_keys),
        cmocka_unit_test(test_iterate),      cmocka_unit_test(test_find_and_copy),
        cmocka_unit_test(test_write_string), cmocka_unit_test(test_write_string_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
