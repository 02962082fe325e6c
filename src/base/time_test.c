#include "base/time.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static void test_clocks(void **state)
{
    uint64_t a = time_monotonic_ms(), b = time_monotonic_ms();
    uint64_t boot = time_boot_ms();
    int64_t utc = time_utc_ms();

    assert_true(time_boot_ms() >= boot);
    assert_true(boot + 10000 > a);
    (void)state;
    assert_true(b >= a);
    assert_true(b - a < 10000);
    assert_true(utc > INT64_C(1700000000000)); /* 2023 */
    assert_true(utc < INT64_C(4102444800000)); /* 2100 */
}

static void test_format_s(void **state)
{
    char text[TIME_TEXT_SIZE];

    (void)state;
    assert_string_equal(time_format_s(INT64_C(1732327980999), text), "2024-11-23T02:13:00Z");
    assert_string_equal(time_format_s(-1, text), "1969-12-31T23:59:59Z");
}

static void test_div_floor(void **state)
{
    (void)state;
    assert_int_equal(time_div_floor(7, 5), 1);
    assert_int_equal(time_div_floor(5, 5), 1);
    assert_int_equal(time_div_floor(0, 5), 0);
    assert_int_equal(time_div_floor(-1, 5), -1);
    assert_int_equal(time_div_floor(-5, 5), -1);
    assert_int_equal(time_div_floor(-6, 5), -2);
}

static void test_format_ms(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0,                        "1970-01-01T00:00:00.000Z"},
        {1,                        "1970-01-01T00:00:00.001Z"},
        {-1,                       "1969-12-31T23:59:59.999Z"},
        {-1000,                    "1969-12-31T23:59:59.000Z"},
        {INT64_C(1732327980123),   "2024-11-23T02:13:00.123Z"},
        {INT64_C(951782399999),    "2000-02-28T23:59:59.999Z"},
        {INT64_C(951782400000),    "2000-02-29T00:00:00.000Z"},
        {INT64_C(-62135596800000), "0001-01-01T00:00:00.000Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
    };
    char text[TIME_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(time_format_ms(cases[i].ms, text), cases[i].text);
}

static void test_format_clips(void **state)
{
    char text[TIME_TEXT_SIZE];

    (void)state;
    assert_int_equal(strncmp(time_format_ms(INT64_MIN, text), "0000-01-01T00:00:00.", 20), 0);
    assert_int_equal(strncmp(time_format_ms(INT64_MAX, text), "9999-12-31T23:59:59.", 20), 0);
    assert_string_equal(time_format_ns(INT64_MIN, text), "1677-09-21T00:12:43.145224192Z");
    assert_string_equal(time_format_ns(INT64_MAX, text), "2262-04-11T23:47:16.854775807Z");
}

static void test_parse_good(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {
        {"1970-01-01T00:00:00Z",                0                            },
        {"1970-01-01T00:00:00z",                0                            },
        {"1970-01-01t00:00:00Z",                0                            },
        {"1970-01-01 00:00:00Z",                0                            },
        {"1970-01-01T00:00:00.000000001Z",      1                            },
        {"1970-01-01T00:00:00.1Z",              100000000                    },
        {"1970-01-01T00:00:00.120Z",            120000000                    },
        {"1969-12-31T23:59:59.999999999Z",      -1                           },
        {"1970-01-01T01:30:00+01:30",           0                            },
        {"1969-12-31T22:30:00-01:30",           0                            },
        {"1970-01-01T00:00:00-00:00",           0                            },
        {"2024-02-29T12:00:00Z",                INT64_C(1709208000000000000) },
        {"2000-02-29T00:00:00Z",                INT64_C(951782400000000000)  },
        {"2024-11-23T02:13:00.123456789+00:00", INT64_C(1732327980123456789) },
        {"2016-12-31T23:59:60Z",                INT64_C(1483228800000000000) },
        {"2262-04-11T23:47:16.854775807Z",      INT64_MAX                    },
        {"1677-09-21T00:12:44Z",                INT64_C(-9223372036000000000)},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ns = 77;
        int r = time_parse_ns(cases[i].text, &ns);

        if (r != 0 || ns != cases[i].ns)
            fail_msg("%s: %d, %lld", cases[i].text, r, (long long)ns);
    }
}

static void test_parse_bad(void **state)
{
    static const char *const cases[] = {
        "",
        "x",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00Z",
        "1970-01-01T00:00:00ZZ",
        "1970-01-01T00:00:00Z ",
        " 1970-01-01T00:00:00Z",
        "1970-1-01T00:00:00Z",
        "+970-01-01T00:00:00Z",
        "1970-00-01T00:00:00Z",
        "1970-13-01T00:00:00Z",
        "1970-01-00T00:00:00Z",
        "1970-01-32T00:00:00Z",
        "1970-02-30T00:00:00Z",
        "1970-04-31T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "1970-01-01X00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:61Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00.1234567890Z",
        "1970-01-01T00:00:00,1Z",
        "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+01:60",
        "1970-01-01T00:00:00+1:00",
        "1970-01-01T00:00:00+01",
        "1970-01-01T00:00:00X",
        "1970/01/01T00:00:00Z",
        "1970-01-01T00-00-00Z",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ns = 77;

        if (time_parse_ns(cases[i], &ns) != -EINVAL)
            fail_msg("accepted %s", cases[i]);
        assert_int_equal(ns, 77);
    }
    assert_int_equal(time_parse_ns(NULL, &(int64_t){0}), -EINVAL);
}

/* Docker uses the year 1 for "never"; it is well-formed, but outside an int64 of nanoseconds. */
static void test_stamps_of_log_lines(void **state)
{
    static const struct {
        const char *line;
        size_t size;
        int64_t ns;
    } cases[] = {
        {"2026-01-31T12:00:00Z text",            25 - 4, 1769860800000000000},
        {"2026-01-31T13:00:00.5+01:00 a b",      28,     1769860800500000000},
        {"2026-01-31T06:30:00.000000001-05:30 ", 36,     1769860800000000001},
        {"2026-01-31T12:00:00Z",                 0,      0                  },
        {" 2026-01-31T12:00:00Z x",              0,      0                  },
        {"word 2026-01-31T12:00:00Z x",          0,      0                  },
        {"",                                     0,      0                  },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ns = 0;

        assert_int_equal(time_parse_stamp(cases[i].line, strlen(cases[i].line), &ns),
                         cases[i].size);
        assert_int_equal(ns, cases[i].ns);
    }
}

static void test_parse_out_of_range(void **state)
{
    static const char *const cases[] = {
        "0001-01-01T00:00:00Z",           "0000-01-01T00:00:00Z", "1677-09-21T00:12:42Z",
        "2262-04-11T23:47:16.854775808Z", "9999-12-31T23:59:59Z",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ns = 77;

        if (time_parse_ns(cases[i], &ns) != -ERANGE)
            fail_msg("accepted %s", cases[i]);
        assert_int_equal(ns, 77);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int64_t ns = INT64_C(-9000000000000000000); ns < INT64_C(9000000000000000000);
         ns += INT64_C(7654321987654321)) {
        char text[TIME_TEXT_SIZE];
        int64_t back = 0;

        assert_int_equal(time_parse_ns(time_format_ns(ns, text), &back), 0);
        assert_true(back == ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_format_ms),
        cmocka_unit_test(test_format_s),
        cmocka_unit_test(test_div_floor),
        cmocka_unit_test(test_format_clips),
        cmocka_unit_test(test_parse_good),
        cmocka_unit_test(test_parse_bad),
        cmocka_unit_test(test_parse_out_of_range),
        cmocka_unit_test(test_stamps_of_log_lines),
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
