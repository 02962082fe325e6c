#include "proto/codec.h"
#include "proto/container_event.h"
#include "proto/json_text.h"

#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct sample {
    char *text;
    int64_t number;
    uint64_t count;
    double real;
    bool flag;
    struct strings list;
    json_t *bools, *words, *object, *array, *any;
};

static int check_vowel(const char *s, const char **ret_why)
{
    *ret_why = "no vowel";
    return strpbrk(s, "aeiou") ? 0 : -EDOM;
}

#define AT(m) offsetof(struct sample, m)

static const struct field fields[] = {
    {"text",   FIELD_STRING,     AT(text),   FIELD_NON_EMPTY,  0,  8, check_vowel},
    {"number", FIELD_I64,        AT(number), FIELD_OMIT_EMPTY, -5, 5, NULL       },
    {"count",  FIELD_U64,        AT(count),  FIELD_OMIT_EMPTY, 0,  0, NULL       },
    {"real",   FIELD_DOUBLE,     AT(real),   FIELD_OMIT_EMPTY, 0,  0, NULL       },
    {"flag",   FIELD_BOOL,       AT(flag),   FIELD_OMIT_EMPTY, 0,  0, NULL       },
    {"list",   FIELD_STRINGS,    AT(list),   FIELD_OMIT_EMPTY, 0,  2, NULL       },
    {"bools",  FIELD_BOOL_MAP,   AT(bools),  FIELD_OMIT_EMPTY, 0,  2, NULL       },
    {"words",  FIELD_STRING_MAP, AT(words),  FIELD_OMIT_EMPTY, 0,  2, NULL       },
    {"object", FIELD_OBJECT,     AT(object), FIELD_OMIT_EMPTY, 0,  0, NULL       },
    {"array",  FIELD_ARRAY,      AT(array),  FIELD_OMIT_EMPTY, 0,  1, NULL       },
    {"any",    FIELD_JSON,       AT(any),    FIELD_OMIT_EMPTY, 0,  0, NULL       },
};

static json_t *parse(const char *text)
{
    json_t *v = json_text_parse(text, strlen(text), 0, NULL);

    assert_non_null(v);
    return v;
}

static void test_round_trip(void **state)
{
    static const char *const texts[] = {
        "{\"text\":\"aeiou\"}",
        "{\"text\":\"a\",\"number\":-5,\"count\":9223372036854775807,\"real\":1.5,\"flag\":true}",
        "{\"text\":\"a\",\"list\":[\"x\",\"\"],\"bools\":{\"a\":true,\"b\":false}}",
        "{\"text\":\"a\",\"words\":{\"k\":\"v\"},\"object\":{\"a\":[1]},\"array\":[{}],\"any\":7}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        json_auto_t *v = parse(texts[i]);
        json_auto_t *again = NULL;
        struct error err = ERROR_INIT;
        struct sample s = {0};

        assert_int_equal(codec_decode(fields, ARRAY_LEN(fields), v, &s, &err), 0);
        again = codec_encode(fields, ARRAY_LEN(fields), &s);
        assert_true(json_equal(v, again));
        codec_done(fields, ARRAY_LEN(fields), &s);
        codec_done(fields, ARRAY_LEN(fields), &s); /* safe to call again */
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *message;
    } cases[] = {
        {"[]",                                            -EINVAL,   "Input should be an object"                            },
        {"{\"text\":\"\"}",                               -EINVAL,   "String should have at least 1 character (field: text)"},
        {"{\"text\":\"aaaaaaaaa\"}",                      -EMSGSIZE, "String should have at most 8 bytes (field: text)"     },
        {"{\"text\":\"xyz\"}",                            -EDOM,     "no vowel (field: text)"                               },
        {"{\"text\":\"a\\u0000\"}",                       -EINVAL,
         "String should not contain a NUL character (field: text)"                                                          },
        {"{\"text\":\"a\",\"number\":6}",                 -EINVAL,
         "Input should be less than or equal to 5 (field: number)"                                                          },
        {"{\"text\":\"a\",\"number\":-6}",                -EINVAL,
         "Input should be greater than -6 (field: number)"                                                                  },
        {"{\"text\":\"a\",\"number\":1.0}",               -EINVAL,
         "Input should be a valid integer (field: number)"                                                                  },
        {"{\"text\":\"a\",\"number\":true}",              -EINVAL,
         "Input should be a valid integer (field: number)"                                                                  },
        {"{\"text\":\"a\",\"count\":-1}",                 -EINVAL,
         "Input should be greater than -1 (field: count)"                                                                   },
        {"{\"text\":\"a\",\"flag\":1}",                   -EINVAL,   "Input should be a valid boolean (field: flag)"        },
        {"{\"text\":\"a\",\"list\":\"x\"}",               -EINVAL,   "Input should be a valid list (field: list)"           },
        {"{\"text\":\"a\",\"list\":[1]}",                 -EINVAL,   "Input should be a valid string (field: list)"         },
        {"{\"text\":\"a\",\"list\":[\"x\",\"y\",\"z\"]}", -EMSGSIZE,
         "Input should have at most 2 items (field: list)"                                                                  },
        {"{\"text\":\"a\",\"list\":[\"x\",\"\\u0000\"]}", -EINVAL,
         "String should not contain a NUL character (field: list)"                                                          },
        {"{\"bools\":{\"a\":true,\"b\":1}}",              -EINVAL,
         "Input should be a valid boolean (field: bools)"                                                                   },
        {"{\"words\":{\"a\":1}}",                         -EINVAL,   "Input should be a valid string (field: words)"        },
        {"{\"words\":[]}",                                -EINVAL,   "Input should be a valid dictionary (field: words)"    },
        {"{\"object\":[]}",                               -EINVAL,   "Input should be a valid dictionary (field: object)"   },
        {"{\"array\":{}}",                                -EINVAL,   "Input should be a valid list (field: array)"          },
        {"{\"array\":[1,2]}",                             -EMSGSIZE, "Input should have at most 1 items (field: array)"     },
        {"{\"text\":\"a\",\"any\":1,\"flag\":7}",         -EINVAL,
         "Input should be a valid boolean (field: flag)"                                                                    },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_auto_t *v = parse(cases[i].text);
        struct error err = ERROR_INIT;
        struct sample s = {0};

        assert_int_equal(codec_decode(fields, ARRAY_LEN(fields), v, &s, &err), cases[i].code);
        assert_string_equal(err.msg, cases[i].message);
        assert_int_equal(codec_decode(fields, ARRAY_LEN(fields), v, &s, NULL), cases[i].code);
        assert_null(s.text);
        assert_null(s.any);
    }
}

static void test_absent_fields_keep_defaults(void **state)
{
    json_auto_t *v = parse("{\"number\":null,\"unknown\":{\"a\":[]}}");
    struct sample s = {.number = 3, .flag = true, .real = 0.5};

    (void)state;
    assert_int_equal(codec_decode(fields, ARRAY_LEN(fields), v, &s, NULL), 0);
    assert_int_equal(s.number, 3);
    assert_true(s.flag);
    assert_null(s.text);
    codec_done(fields, ARRAY_LEN(fields), &s);
}

static void test_lax_integers(void **state)
{
    static const struct {
        const char *value;
        int lax, truncated; /* return codes */
        int64_t number;
    } cases[] = {
        {"12",                    0,       0,       12       },
        {"12.0",                  0,       0,       12       },
        {"12.5",                  -EINVAL, 0,       12       },
        {"-0.5",                  -EINVAL, 0,       0        },
        {"1e300",                 -EINVAL, -EINVAL, 0        },
        {"-1e300",                -EINVAL, -EINVAL, 0        },
        {"9223372036854775808.0", -EINVAL, -EINVAL, 0        },
        {"-9223372036854775808",  0,       0,       INT64_MIN},
        {"true",                  0,       -EINVAL, 1        },
        {"\"12\"",                0,       -EINVAL, 12       },
        {"\"12.5\"",              -EINVAL, -EINVAL, 0        },
        {"\"\"",                  -EINVAL, -EINVAL, 0        },
        {"{}",                    -EINVAL, -EINVAL, 0        },
    };
    struct field f = {"n", FIELD_I64, 0, FIELD_LAX, INT64_MIN, INT64_MAX, NULL};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *text = xasprintf("{\"n\":%s}", cases[i].value);
        json_auto_t *v = parse(text);
        int64_t n = -77;

        f.flags = FIELD_LAX;
        assert_int_equal(codec_decode(&f, 1, v, &n, NULL), cases[i].lax);
        if (cases[i].lax == 0)
            assert_int_equal(n, cases[i].number);

        n = -77;
        f.flags = FIELD_TRUNCATE;
        assert_int_equal(codec_decode(&f, 1, v, &n, NULL), cases[i].truncated);
        assert_int_equal(n, cases[i].truncated == 0 ? cases[i].number : -77);
    }
}

static void test_lax_bools(void **state)
{
    static const struct {
        const char *value;
        int expected; /* 0, 1, or -1: refused */
    } cases[] = {
        {"true",    1 },
        {"false",   0 },
        {"1",       1 },
        {"0",       0 },
        {"1.0",     1 },
        {"0.0",     0 },
        {"2",       -1},
        {"-1",      -1},
        {"0.5",     -1},
        {"\"yes\"", 1 },
        {"\"No\"",  0 },
        {"\"ON\"",  1 },
        {"\"off\"", 0 },
        {"\"t\"",   1 },
        {"\"n\"",   0 },
        {"\"1\"",   1 },
        {"\"\"",    -1},
        {"\"2\"",   -1},
        {"\"ye\"",  -1},
        {"[]",      -1},
    };
    static const struct field f = {"b", FIELD_BOOL, 0, FIELD_LAX, 0, 0, NULL};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *text = xasprintf("{\"b\":%s}", cases[i].value);
        json_auto_t *v = parse(text);
        bool b = cases[i].expected == 0;

        assert_int_equal(codec_decode(&f, 1, v, &b, NULL), cases[i].expected < 0 ? -EINVAL : 0);
        if (cases[i].expected >= 0)
            assert_int_equal(b, cases[i].expected);
    }
}

static void test_encode_without_omit(void **state)
{
    static const struct field f[] = {
        {"text", FIELD_STRING,  AT(text), 0, 0, 0, NULL},
        {"list", FIELD_STRINGS, AT(list), 0, 0, 0, NULL},
        {"any",  FIELD_JSON,    AT(any),  0, 0, 0, NULL},
        {"flag", FIELD_BOOL,    AT(flag), 0, 0, 0, NULL},
    };
    struct sample s = {0};
    json_auto_t *v = codec_encode(f, ARRAY_LEN(f), &s);
    json_auto_t *want = parse("{\"text\":null,\"list\":[],\"any\":null,\"flag\":false}");

    (void)state;
    assert_true(json_equal(v, want));
}

static void test_text_of_any_bytes(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *json;
    } cases[] = {
        {"plain",                              5,  "\"plain\""                               },
        {"",                                   0,  "\"\""                                    },
        {"a\0b",                               3,  "\"a\\u0000b\""                           },
        {"\xff",                               1,  "\"\xef\xbf\xbd\""                        },
        {"a\xc3",                              2,  "\"a\xef\xbf\xbd\""                       },
        {"\xc3\xa4",                           2,  "\"\xc3\xa4\""                            },
        {"\xc0\x80z",                          3,  "\"\xef\xbf\xbd\xef\xbf\xbdz\""           },
        {"\xf0\x9f\x98\x80",                   4,  "\"\xf0\x9f\x98\x80\""                    },
        {"\xed\xa0\x80",                       3,  "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\x01\x00\x00\x00\x00\x00\x00\x02hi", 10,
         "\"\\u0001\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0002hi\""                    },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_auto_t *v = json_text_string(cases[i].bytes, cases[i].size);
        _cleanup_free_ char *text = NULL;
        size_t size = 0;

        text = json_text_write(v, &size);
        assert_string_equal(text, cases[i].json);
        assert_int_equal(size, strlen(cases[i].json));
    }
}

static void test_get_text(void **state)
{
    json_auto_t *v = parse("{\"a\":\"x\",\"b\":7,\"c\":\"x\\u0000\"}");

    (void)state;
    assert_string_equal(json_text_get(v, "a"), "x");
    assert_null(json_text_get(v, "b"));
    assert_null(json_text_get(v, "c"));
    assert_null(json_text_get(v, "d"));
    assert_null(json_text_get(NULL, "a"));
}

/* Text of a peer must never end the process, also where a caller forgets that it can be invalid. */
static void test_missing_object_or_value_is_no_abort(void **state)
{
    json_auto_t *o = json_object();

    (void)state;
    json_text_set(NULL, "id", json_integer(1));
    json_text_set(o, "text", json_string("\xc3"));
    assert_true(json_is_null(json_object_get(o, "text")));
}

/* Text that is only shown never costs the message: an engine's version, a name, a label. */
static void test_shown_text_is_cut(void **state)
{
    char name[301], attribute[CODEC_MAX_ITEM + 2];
    struct msg_container_event m = {0};
    json_auto_t *v = NULL, *again = NULL;

    (void)state;
    memset(name, 'n', 300);
    name[300] = '\0';
    memset(attribute, 'a', sizeof(attribute) - 1);
    attribute[sizeof(attribute) - 1] = '\0';
    v = json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "container_id", "c", "container_name", name,
                  "action", "die", "attributes", "exitCode", "1", "long", attribute);
    assert_int_equal(msg_container_event_decode(v, &m, NULL), 0);
    assert_int_equal(strlen(m.container_name), 255);
    assert_string_equal(m.container_name + 252, "\u2026");
    assert_int_equal(json_object_size(m.attributes), 1);
    assert_string_equal(json_text_get(m.attributes, "exitCode"), "1");
    again = msg_container_event_encode(&m);
    assert_string_equal(json_text_get(again, "container_name"), m.container_name);
    msg_container_event_done(&m);
}

/* A tree takes many times the memory of its text, so values are counted before they are parsed. */
static void test_number_of_values_is_limited(void **state)
{
    size_t size = 2 * (size_t)JSON_TEXT_MAX_NODES + 1; /* the array is a value, too */
    char *text = xmalloc(size);
    struct error err = ERROR_INIT;
    json_t *v;

    (void)state;
    assert_int_equal(json_text_count_nodes("{\"a,[\":[1,\"\\\",\",{}]}", 20), 6);
    memset(text, ',', size);
    for (size_t i = 1; i < size; i += 2)
        text[i] = '1';
    text[0] = '[';
    text[size - 1] = ']';
    assert_null(json_text_parse(text, size, 0, &err));
    assert_int_equal(err.code, -EMSGSIZE);
    size -= 2;
    text[size - 1] = ']';
    v = json_text_parse(text, size, 0, &err);
    assert_non_null(v);
    json_decref(v);
    assert_null(json_text_parse_small("[1,2,3]", 7, 3, &err));
    v = json_text_parse_small("[1,2,3]", 7, 5, &err);
    assert_non_null(v);
    json_decref(v);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shown_text_is_cut),
        cmocka_unit_test(test_number_of_values_is_limited),
        cmocka_unit_test(test_missing_object_or_value_is_no_abort),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_absent_fields_keep_defaults),
        cmocka_unit_test(test_lax_integers),
        cmocka_unit_test(test_lax_bools),
        cmocka_unit_test(test_encode_without_omit),
        cmocka_unit_test(test_text_of_any_bytes),
        cmocka_unit_test(test_get_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
