#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static void test_parse_u64(void **state)
{
    static const struct {
        const char *text;
        uint64_t max;
        int r;
        uint64_t v;
    } cases[] = {
        {"0",                     UINT64_MAX, 0,       0         },
        {"7",                     7,          0,       7         },
        {"007",                   7,          0,       7         },
        {"18446744073709551615",  UINT64_MAX, 0,       UINT64_MAX},
        {"18446744073709551616",  UINT64_MAX, -ERANGE, 0         },
        {"99999999999999999999",  UINT64_MAX, -ERANGE, 0         },
        {"184467440737095516150", UINT64_MAX, -ERANGE, 0         },
        {"8",                     7,          -ERANGE, 0         },
        {"",                      9,          -EINVAL, 0         },
        {NULL,                    9,          -EINVAL, 0         },
        {"-1",                    9,          -EINVAL, 0         },
        {"+1",                    9,          -EINVAL, 0         },
        {" 1",                    9,          -EINVAL, 0         },
        {"1 ",                    9,          -EINVAL, 0         },
        {"1.0",                   9,          -EINVAL, 0         },
        {"0x1",                   9,          -EINVAL, 0         },
        {"1e1",                   99,         -EINVAL, 0         },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t v = 77;
        int r = parse_u64(cases[i].text, cases[i].max, &v);

        if (r != cases[i].r || v != (r ? 77 : cases[i].v))
            fail_msg("case %zu: %d, %llu", i, r, (unsigned long long)v);
    }
}

static void test_parse_i64(void **state)
{
    static const struct {
        const char *text;
        int r;
        int64_t v;
    } cases[] = {
        {"0",                    0,       0        },
        {"-0",                   0,       0        },
        {"-5",                   0,       -5       },
        {"9223372036854775807",  0,       INT64_MAX},
        {"9223372036854775808",  -ERANGE, 0        },
        {"-9223372036854775808", 0,       INT64_MIN},
        {"-9223372036854775809", -ERANGE, 0        },
        {"-",                    -EINVAL, 0        },
        {"--1",                  -EINVAL, 0        },
        {"- 1",                  -EINVAL, 0        },
        {"",                     -EINVAL, 0        },
        {NULL,                   -EINVAL, 0        },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t v = 77;
        int r = parse_i64(cases[i].text, &v);

        if (r != cases[i].r || v != (r ? 77 : cases[i].v))
            fail_msg("case %zu: %d, %lld", i, r, (long long)v);
    }
}

static void test_parse_bool(void **state)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
    static const char *const bad[] = {"", "yes", "no", "on", "tRUE", "true ", "2", "10"};
    bool v;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        v = false;
        assert_int_equal(parse_bool(yes[i], &v), 0);
        assert_true(v);
        v = true;
        assert_int_equal(parse_bool(no[i], &v), 0);
        assert_false(v);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        v = true;
        assert_int_equal(parse_bool(bad[i], &v), -EINVAL);
        assert_true(v);
    }
    assert_int_equal(parse_bool(NULL, &v), -EINVAL);
}

static void test_parse_duration(void **state)
{
    static const struct {
        const char *text;
        int r;
        uint64_t ms;
    } cases[] = {
        {"0",                          0,       0                      },
        {"0s",                         0,       0                      },
        {"1s",                         0,       1000                   },
        {"1.5s",                       0,       1500                   },
        {"1.s",                        0,       1000                   },
        {".5s",                        0,       500                    },
        {"0.001s",                     0,       1                      },
        {"300ms",                      0,       300                    },
        {"2m30s",                      0,       150000                 },
        {"1h",                         0,       3600000                },
        {"1h1m1s1ms",                  0,       3661001                },
        {"1m1m",                       0,       120000                 },
        {"999us",                      0,       0                      },
        {"1000us",                     0,       1                      },
        {"1000\u00b5s",                0,       1                      },
        {"1000\u03bcs",                0,       1                      },
        {"1000000ns",                  0,       1                      },
        {"500us500us",                 0,       1                      },
        {"+5s",                        0,       5000                   },
        {"0.1h",                       0,       360000                 },
        {"2562047h",                   0,       UINT64_C(9223369200000)},
        {"2562048h",                   -ERANGE, 0                      },
        {"99999999999999999999h",      -ERANGE, 0                      },
        {"1.00000000000000000000000s", 0,       1000                   },
        {"",                           -EINVAL, 0                      },
        {NULL,                         -EINVAL, 0                      },
        {"5",                          -EINVAL, 0                      },
        {"s",                          -EINVAL, 0                      },
        {".",                          -EINVAL, 0                      },
        {".s",                         -EINVAL, 0                      },
        {"-5s",                        -EINVAL, 0                      },
        {"+",                          -EINVAL, 0                      },
        {"1s ",                        -EINVAL, 0                      },
        {" 1s",                        -EINVAL, 0                      },
        {"1 s",                        -EINVAL, 0                      },
        {"1S",                         -EINVAL, 0                      },
        {"1d",                         -EINVAL, 0                      },
        {"1e3s",                       -EINVAL, 0                      },
        {"0x1s",                       -EINVAL, 0                      },
        {"1s1",                        -EINVAL, 0                      },
        {"1.2.3s",                     -EINVAL, 0                      },
        {"infs",                       -EINVAL, 0                      },
        {"nans",                       -EINVAL, 0                      },
        {"00x1s",                      -EINVAL, 0                      },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t ms = 77;
        int r = parse_duration_ms(cases[i].text, &ms);

        if (r != cases[i].r || ms != (r ? 77 : cases[i].ms))
            fail_msg("%s: %d, %llu", cases[i].text, r, (unsigned long long)ms);
    }
}

static void test_durations_are_exact(void **state)
{
    (void)state;
    for (unsigned ms = 0; ms < 20000; ms++) {
        char text[32];
        uint64_t v = 0;

        (void)snprintf(text, sizeof(text), "%u.%03us", ms / 1000, ms % 1000);
        assert_int_equal(parse_duration_ms(text, &v), 0);
        if (v != ms)
            fail_msg("%s: %llu", text, (unsigned long long)v);
    }
}

static void test_parse_host_port(void **state)
{
    static const struct {
        const char *text;
        const char *host; /* NULL: refused */
        uint16_t port;
    } cases[] = {
        {"127.0.0.1:80",     "127.0.0.1",    80   },
        {":8001",            "",             8001 },
        {"localhost:0",      "localhost",    0    },
        {"[::1]:65535",      "::1",          65535},
        {"[fe80::1%eth0]:1", "fe80::1%eth0", 1    },
        {"",                 NULL,           0    },
        {NULL,               NULL,           0    },
        {"localhost",        NULL,           0    },
        {"8001",             NULL,           0    },
        {"a:",               NULL,           0    },
        {"a:65536",          NULL,           0    },
        {"a:-1",             NULL,           0    },
        {"a:http",           NULL,           0    },
        {"::1:80",           NULL,           0    },
        {"[::1]80",          NULL,           0    },
        {"[::1]",            NULL,           0    },
        {"[::1:80",          NULL,           0    },
        {"[]:80",            NULL,           0    },
        {"a b:80",           NULL,           0    },
        {"http://a:80",      NULL,           0    },
        {"a:80 ",            NULL,           0    },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *host = NULL;
        uint16_t port = 77;
        int r = parse_host_port(cases[i].text, &host, &port);

        if (!cases[i].host) {
            if (r != -EINVAL || host || port != 77)
                fail_msg("case %zu: %d", i, r);
            continue;
        }
        assert_int_equal(r, 0);
        assert_string_equal(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
        free(host);
    }
}

static void test_predicates(void **state)
{
    (void)state;
    assert_true(str_is_empty(NULL));
    assert_true(str_is_empty(""));
    assert_false(str_is_empty(" "));
    assert_true(str_eq("a", "a"));
    assert_false(str_eq("a", "A"));
    assert_true(str_eq(NULL, NULL));
    assert_false(str_eq(NULL, ""));
    assert_false(str_eq("", NULL));
    assert_true(str_starts_with("abc", "ab"));
    assert_true(str_starts_with("abc", ""));
    assert_false(str_starts_with("ab", "abc"));
    assert_true(str_ends_with("abc", "bc"));
    assert_true(str_ends_with("abc", ""));
    assert_false(str_ends_with("bc", "abc"));
    assert_false(str_ends_with("abc", "ab"));
    assert_true(str_is_hex("0123456789abcdef", 16));
    assert_true(str_is_hex("", 0));
    assert_false(str_is_hex("0123456789ABCDEF", 16));
    assert_false(str_is_hex("0123", 3));
    assert_false(str_is_hex("012", 4));
    assert_false(str_is_hex("01g4", 4));
    assert_false(str_is_hex(NULL, 0));
}

static void test_utf8(void **state)
{
    static const char *const good[] = {
        "",
        "ascii",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "a\u00e4\u20ac\U0001f600z",
    };
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x41",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xe0\xa0",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "ok\xc2",
        "\xf0\x9f\x98",
        "\xe2\x82\x41",
        "\xc2\xc2\x80",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (!str_is_utf8(good[i], strlen(good[i])))
            fail_msg("refused good case %zu", i);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (str_is_utf8(bad[i], strlen(bad[i])))
            fail_msg("accepted bad case %zu", i);
    }
    assert_true(str_is_utf8("a\0b", 3));
    assert_false(str_is_utf8("\xe2\x82\xac", 2)); /* the third byte is beyond the size */
    assert_int_equal(str_code_points(""), 0);
    assert_int_equal(str_code_points("abc"), 3);
    assert_int_equal(str_code_points("a\u00e4\u20ac\U0001f600"), 4);
}

static void test_cut_ends_at_a_whole_character(void **state)
{
    static const struct {
        const char *text;
        size_t max, want;
    } cases[] = {
        {"",                     0, 0},
        {"abc",                  3, 3},
        {"abc",                  2, 2},
        {"a\u00e4b",             2, 1},
        {"a\u00e4b",             3, 3},
        {"a\u20acb",             2, 1},
        {"a\u20acb",             3, 1},
        {"a\u20acb",             4, 4},
        {"\U0001f600",           3, 0},
        {"\U0001f600",           4, 4},
        {"\U0001f600x",          4, 4},
        {"\xe4\xe4\xe4",         2, 2}, /* Latin-1 */
        {"\x80\x80\x80\x80\x80", 4, 4},
    };
    char to[4], whole[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = str_cut(cases[i].text, strlen(cases[i].text), cases[i].max);

        if (n != cases[i].want)
            fail_msg("case %zu: %zu", i, n);
    }
    str_copy(to, sizeof(to), "ab\u00e4");
    assert_string_equal(to, "ab");
    (void)snprintf(whole, sizeof(whole), "%.*s", STR_CUT("\u00e4\u00e4", 3));
    assert_string_equal(whole, "\u00e4");
}

static void test_mend(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"",                    ""                 },
        {"a\u20ac\U0001f600",   "a\u20ac\U0001f600"},
        {"a\xe2\x82",           "a"                },
        {"a\xf0\x9f\x98",       "a"                },
        {"a\xc3",               "a"                },
        {"caf\xe9 au lait",     "caf? au lait"     },
        {"a\x80",               "a?"               },
        {"\xc0\x80\xff",        "???"              },
        {"\xe2\x82 \u20ac\xe2", "?? \u20ac"        },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[32];

        memcpy(text, cases[i].text, strlen(cases[i].text) + 1);
        str_mend(text);
        assert_string_equal(text, cases[i].want);
    }
}

static void test_trim_and_copy(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"",            ""   },
        {" ",           ""   },
        {" \t\r\n\v\f", ""   },
        {"a",           "a"  },
        {" a b \n",     "a b"},
        {"a\t",         "a"  },
        {"\n\na",       "a"  },
    };
    char text[8], to[4] = "xyz";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)snprintf(text, sizeof(text), "%s", cases[i].text);
        assert_string_equal(str_trim(text), cases[i].want);
    }
    str_copy(to, sizeof(to), "ab");
    assert_string_equal(to, "ab");
    str_copy(to, sizeof(to), "abc");
    assert_string_equal(to, "abc");
    str_copy(to, sizeof(to), "abcdef");
    assert_string_equal(to, "abc");
    str_copy(to, 1, "abc");
    assert_string_equal(to, "");
}

static void test_container_ref(void **state)
{
    static const char *const good[] = {"a",     "A9",    "0123456789ab", "web_1",
                                       "web-1", "web.1", "x..y"};
    static const char *const bad[] = {"",          "-a",  ".",    "..",  "_a",   "/a",
                                      "a/b",       "a b", "a?b",  "a#b", "a%2f", "a\nb",
                                      "a\xc3\xa4", "a:b", "a\\b", "a&b"};
    char longest[257];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(str_is_container_ref(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (str_is_container_ref(bad[i]))
            fail_msg("accepted \"%s\"", bad[i]);
    }
    assert_false(str_is_container_ref(NULL));
    memset(longest, 'a', 256);
    longest[256] = '\0';
    assert_false(str_is_container_ref(longest));
    longest[255] = '\0';
    assert_true(str_is_container_ref(longest));
}

static void test_image_ref(void **state)
{
    static const char *const good[] = {
        "a",       "sha256:0123456789ab", "0123456789ab",
        "web:1.2", "team/web_x-y.z:1",    "host.example:5000/team/web@sha256:ab",
        "a..b"};
    static const char *const bad[] = {"",       "/",     "/a",   "a/",   "a//b",  "../a",
                                      "a/../b", "a/.b",  ".",    "-a",   "a b",   "a?b",
                                      "a#b",    "a%2fb", "a\\b", "a\nb", "a&b=c", "\xc3\xa4"};
    char longest[514];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (!str_is_image_ref(good[i]))
            fail_msg("refused \"%s\"", good[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (str_is_image_ref(bad[i]))
            fail_msg("accepted \"%s\"", bad[i]);
    }
    assert_false(str_is_image_ref(NULL));
    memset(longest, 'a', 513);
    longest[513] = '\0';
    assert_false(str_is_image_ref(longest));
    longest[512] = '\0';
    assert_true(str_is_image_ref(longest));
}

static void test_eq_secret(void **state)
{
    static const struct {
        const char *a, *b;
        bool want;
    } cases[] = {
        {"",     "",     true },
        {"a",    "a",    true },
        {"a",    "b",    false},
        {"abc",  "abd",  false},
        {"xbc",  "abc",  false},
        {"abc",  "ab",   false},
        {"ab",   "abc",  false},
        {"abab", "ab",   false},
        {"ab",   "abab", false},
        {"",     "a",    false},
        {"a",    "",     false},
        {"\x80", "\x81", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(str_eq_secret(cases[i].a, cases[i].b), cases[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_u64),
        cmocka_unit_test(test_parse_i64),
        cmocka_unit_test(test_parse_bool),
        cmocka_unit_test(test_parse_duration),
        cmocka_unit_test(test_durations_are_exact),
        cmocka_unit_test(test_parse_host_port),
        cmocka_unit_test(test_predicates),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_cut_ends_at_a_whole_character),
        cmocka_unit_test(test_mend),

        cmocka_unit_test(test_trim_and_copy),
        cmocka_unit_test(test_container_ref),
        cmocka_unit_test(test_image_ref),
        cmocka_unit_test(test_eq_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
