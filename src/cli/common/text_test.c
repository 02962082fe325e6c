#include "base/time.h"
#include "cli/common/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1795399200000) /* 2026-11-23T02:00:00Z */

static void test_escape(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        const char *expected;
    } cases[] = {
        {"plain",              5,  "plain"             },
        {"",                   0,  ""                  },
        {"a\nb\tc",            5,  "a\\x0ab\\x09c"     },
        {"\x1b[31mred",        8,  "\\x1b[31mred"      },
        {"a\0b",               3,  "a\\x00b"           },
        {"\x7f",               1,  "\\x7f"             },
        {"\xc2\x9b",           2,  "\\x9b"             }, /* CSI in one character */
        {"\xe2\x80\xae",       3,  "\\u202e"           }, /* right-to-left override */
        {"\xe2\x81\xa6",       3,  "\\u2066"           }, /* and its newer forms */
        {"\xe2\x81\xa9",       3,  "\\u2069"           },
        {"\xe2\x80\x8b",       3,  "\\u200b"           }, /* invisible characters */
        {"\xef\xbb\xbf",       3,  "\\ufeff"           },
        {"gr\xc3\xbc\xc3\x9f", 6,  "gr\xc3\xbc\xc3\x9f"},
        {"\xff\xfe",           2,  "\\xff\\xfe"        },
        {"\xc3",               1,  "\\xc3"             },
        {"\xf0\x9f\x98\x80",   4,  "\xf0\x9f\x98\x80"  },
        {"back\\slash",        10, "back\\slash"       },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *got = text_escape(cases[i].text, cases[i].size);

        assert_string_equal(got, cases[i].expected);
    }
}

static void test_escape_log(void **state)
{
    static const struct {
        const char *text;
        bool keeps_colours;
        const char *expected;
    } cases[] = {
        {"a\tb",                true,  "a\tb"                      },
        {"\x1b[1;32mok\x1b[0m", true,  "\x1b[1;32mok\x1b[0m\x1b[0m"},
        {"\x1b[1;32mok",        true,  "\x1b[1;32mok\x1b[0m"       },
        {"\x1b[1;32mok",        false, "\\x1b[1;32mok"             },
        {"\x1b[2J",             true,  "\\x1b[2J"                  },
        {"\x1b]0;title\a",      true,  "\\x1b]0;title\\x07"        },
        {"\x1b[31",             true,  "\\x1b[31"                  },
        {"\x1b",                true,  "\\x1b"                     },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *got = text_escape_log(cases[i].text, strlen(cases[i].text),
                                                   cases[i].keeps_colours);

        assert_string_equal(got, cases[i].expected);
    }
}

/* The text ends where memory ends: the measurement of a colour reads nothing behind it. */
static void test_colours_are_not_read_beyond_the_text(void **state)
{
    static const char text[] = "\x1b[31";
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = sizeof(text) - 1;
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    _cleanup_free_ char *got = NULL;

    (void)state;
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    memcpy(pages + page - size, text, size);
    got = text_escape_log(pages + page - size, size, true);
    assert_string_equal(got, "\\x1b[31");
    (void)munmap(pages, 2 * page);
}

static void test_cut(void **state)
{
    static const struct {
        const char *text;
        size_t width;
        const char *expected;
    } cases[] = {
        {"short",                    5, "short"               },
        {"longer",                   5, "long\xe2\x80\xa6"    },
        {"\xc3\xbc\xc3\xbc\xc3\xbc", 2, "\xc3\xbc\xe2\x80\xa6"},
        {"ab",                       1, "\xe2\x80\xa6"        },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *got = text_cut(cases[i].text, cases[i].width);

        assert_string_equal(got, cases[i].expected);
        assert_true(text_width(got) <= cases[i].width);
    }
}

/* The same words as in `docker ps`. */
static void test_duration(void **state)
{
    static const struct {
        int64_t seconds;
        const char *expected;
    } cases[] = {
        {-5,       "Less than a second"},
        {0,        "Less than a second"},
        {1,        "1 second"          },
        {59,       "59 seconds"        },
        {60,       "About a minute"    },
        {119,      "About a minute"    },
        {120,      "2 minutes"         },
        {2759,     "45 minutes"        },
        {2760,     "About an hour"     },
        {5399,     "About an hour"     },
        {5400,     "2 hours"           },
        {9000,     "3 hours"           },
        {86400,    "24 hours"          },
        {172800,   "2 days"            },
        {1209600,  "2 weeks"           },
        {5184000,  "2 months"          },
        {63072000, "2 years"           },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *got = text_duration(cases[i].seconds);

        assert_string_equal(got, cases[i].expected);
    }
}

static void test_ago(void **state)
{
    static const struct {
        const char *timestamp, *expected;
    } cases[] = {
        {"2026-11-23T01:00:00Z",      "About an hour ago"},
        {"2026-11-20T02:00:00+00:00", "3 days ago"       },
        {"yesterday",                 "N/A"              },
        {"",                          "N/A"              },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *got = text_ago(cases[i].timestamp, NOW_MS, "N/A");

        assert_string_equal(got, cases[i].expected);
    }
}

static void test_size(void **state)
{
    static const struct {
        int64_t bytes;
        const char *expected;
    } cases[] = {
        {0,           "0B"    },
        {-1,          "0B"    },
        {999,         "999B"  },
        {1000,        "1kB"   },
        {1982340,     "1.98MB"},
        {999499,      "999kB" },
        {999500,      "1MB"   },
        {12345678901, "12.3GB"},
        {INT64_MAX,   "9.22EB"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *got = text_size(cases[i].bytes);

        assert_string_equal(got, cases[i].expected);
    }
}

static void test_parse_size(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes; /* -2: refused */
    } cases[] = {
        {"4096",   4096      },
        {"4096b",  4096      },
        {"64k",    65536     },
        {"512m",   536870912 },
        {"512MB",  536870912 },
        {"512MiB", 536870912 },
        {"1.5g",   1610612736},
        {"-1",     -1        },
        {"",       -2        },
        {"-2",     -2        },
        {"m",      -2        },
        {"inf",    -2        },
        {" 1",     -2        },
        {"1 m",    -2        },
        {"1mx",    -2        },
        {"1x",     -2        },
        {"64bb",   -2        },
        {"9p",     -2        },
        {"1e300",  -2        },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t bytes = -2;

        if (text_parse_size(cases[i].text, &bytes) < 0)
            bytes = -2;
        if (bytes != cases[i].bytes)
            fail_msg("%s: %lld", cases[i].text, (long long)bytes);
    }
}

static void test_url_encode(void **state)
{
    _cleanup_free_ char *a = text_url_encode("2026-01-31T12:00:00.5Z");
    _cleanup_free_ char *b = text_url_encode("a b/c?d=\xc3\xa4&~_-.");

    (void)state;
    assert_string_equal(a, "2026-01-31T12%3A00%3A00.5Z");
    assert_string_equal(b, "a%20b%2Fc%3Fd%3D%C3%A4%26~_-.");
}

static void test_parse_time(void **state)
{
    static const struct {
        const char *text, *expected; /* NULL: refused */
    } cases[] = {
        {"2026-11-23T01:00:00Z",           "2026-11-23T01:00:00.000Z"      },
        {"2026-11-23T01:00:00+01:00",      "2026-11-23T00:00:00.000Z"      },
        {"2026-11-23",                     "2026-11-22T23:00:00.000Z"      }, /* local time: UTC+1 */
        {"2026-11-23Z",                    "2026-11-23T00:00:00.000Z"      },
        {"2026-11-23+01:00",               "2026-11-22T23:00:00.000Z"      },
        {"2026-11-23T01",                  "2026-11-23T00:00:00.000Z"      },
        {"2026-11-23T01:30",               "2026-11-23T00:30:00.000Z"      },
        {"2026-11-23T01:30Z",              "2026-11-23T01:30:00.000Z"      },
        {"2026-11-23T01:30-02:00",         "2026-11-23T03:30:00.000Z"      },
        {"2026-07-01T01:30:15",            "2026-06-30T23:30:15.000Z"      }, /* summer time */
        {"2026-11-23T01:30:15.5",          "2026-11-23T00:30:15.500Z"      },
        {"2026-11-23T01:30:15.123456789Z", "2026-11-23T01:30:15.123456789Z"},
        {"490000h",                        "1970-12-30T10:00:00.000Z"      },
        {"500000h",                        NULL                            }, /* before 1970 */
        {"1795395600",                     "2026-11-23T01:00:00.000Z"      },
        {"1795395600.25",                  "2026-11-23T01:00:00.250Z"      },
        {"1795395600.",                    NULL                            },
        {"10m",                            "2026-11-23T01:50:00.000Z"      },
        {"1h30m",                          "2026-11-23T00:30:00.000Z"      },
        {"1d",                             "2026-11-22T02:00:00.000Z"      },
        {"2w",                             "2026-11-09T02:00:00.000Z"      },
        {"1w1d1h",                         "2026-11-15T01:00:00.000Z"      },
        {"1.5d",                           "2026-11-21T14:00:00.000Z"      },
        {"1d1",                            NULL                            },
        {"d",                              NULL                            },
        {"99999999999w",                   NULL                            },
        {"2026-11-2",                      NULL                            },
        {"2026-11-23T01:30:15+1:00",       NULL                            },
        {"yesterday",                      NULL                            },
        {"",                               NULL                            },
        {"2026-13-01",                     NULL                            },
        {"-10m",                           NULL                            },
        {"99999999999999999999h",          NULL                            },
    };

    (void)state;
    assert_int_equal(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *got = NULL;
        struct error err = ERROR_INIT;
        int r = text_parse_time(cases[i].text, NOW_MS, &got, &err);

        assert_int_equal(r, cases[i].expected ? 0 : -EINVAL);
        if (cases[i].expected) {
            assert_string_equal(got, cases[i].expected);
        } else {
            assert_non_null(strstr(err.msg, "is not a time"));
        }
    }
}

static void test_short_age(void **state)
{
    static const struct {
        const char *timestamp, *expected;
    } cases[] = {
        {"2026-01-31T12:00:00Z", "5d" },
        {"2026-02-04T13:00:00Z", "23h"},
        {"2026-02-03T12:00:00Z", "2d" },
        {"2026-02-03T12:00:01Z", "47h"},
        {"2026-02-05T11:57:00Z", "3m" },
        {"2026-02-05T11:59:00Z", "1m" },
        {"2026-02-05T11:59:01Z", NULL },
        {"2026-02-05T12:10:00Z", NULL },
        {"",                     NULL },
    };
    int64_t now_ns;

    (void)state;
    assert_int_equal(time_parse_ns("2026-02-05T12:00:00Z", &now_ns), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *got = text_short_age(cases[i].timestamp, now_ns / 1000000);

        assert_int_equal(got != NULL, cases[i].expected != NULL);
        if (got)
            assert_string_equal(got, cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_colours_are_not_read_beyond_the_text),
        cmocka_unit_test(test_escape_log),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_short_age),
        cmocka_unit_test(test_ago),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_parse_size),
        cmocka_unit_test(test_url_encode),
        cmocka_unit_test(test_parse_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
