#include "base/str.h"
#include "server/api/stats_query.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define NOW    INT64_C(1763900000500) /* 2025-11-23T12:13:20.500Z: within a step */
#define S      INT64_C(1000)
#define HOUR   (3600 * S)
#define DAY    (24 * HOUR)
#define BIT(i) (UINT64_C(1) << (i))

static int ask(const char *query, const char *series, struct stats_query *q, struct error *err)
{
    const struct api_call call = {.query = (char *)(uintptr_t)query};

    return stats_query_read(&call, metric_set_of(series), NOW, q, err);
}

static int64_t whole(int64_t ms, int64_t step)
{
    return ms / step * step;
}

static void test_times_and_steps_are_parsed(void **state)
{
    static const struct {
        const char *query;
        int64_t from, to, step;
    } cases[] = {
        {"range=1h",                       NOW - HOUR,              NOW,       10 * S  },
        {"range=8h",                       NOW - 8 * HOUR,          NOW,       60 * S  },
        {"range=24h",                      NOW - DAY,               NOW,       120 * S },
        {"range=7d",                       NOW - 7 * DAY,           NOW,       900 * S },
        {"range=30d",                      NOW - 30 * DAY,          NOW,       3600 * S},
        {"range=1h&from=5&to=1",           NOW - HOUR,              NOW,       10 * S  }, /* range takes precedence */
        {"range=&from=1763890000",         INT64_C(1763890000) * S, NOW,       30 * S  },
        {"from=1763890000",                INT64_C(1763890000) * S, NOW,       30 * S  },
        {"since=1763890000",               INT64_C(1763890000) * S, NOW,       30 * S  },
        {"from=1763890000&since=5",        INT64_C(1763890000) * S, NOW,       30 * S  },
        {"from=100&to=107",                100 * S,                 107 * S,   10 * S  },
        {"from=109&to=110",                109 * S,                 110 * S,   10 * S  },
        {"from=1970-01-01T00:00:10Z",      10 * S,                  NOW,       28 * DAY},
        {"from=0100-01-01T00:00:00Z&to=1", INT64_MIN,               1 * S,     28 * DAY},
        {"from=7200&to=14400",             7200 * S,                14400 * S, 10 * S  }, /* 720 points */
        {"from=7200&to=14410",             7200 * S,                14410 * S, 30 * S  }, /* 721 */
        {"range=1h&step=10",               NOW - HOUR,              NOW,       10 * S  },
        {"range=1h&step=1m",               NOW - HOUR,              NOW,       60 * S  },
        {"range=1h&step=1m30s",            NOW - HOUR,              NOW,       90 * S  },
        {"range=30d&step=2419200",         NOW - 30 * DAY,          NOW,       28 * DAY},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stats_query q;
        struct error err = ERROR_INIT;

        if (cases[i].from == INT64_MIN) { /* too long for any step */
            assert_int_equal(ask(cases[i].query, "web", &q, &err), -EDOM);
            continue;
        }
        if (ask(cases[i].query, "web", &q, &err) < 0)
            fail_msg("%s: %s", cases[i].query, err.msg);
        if (q.from_ms != whole(cases[i].from, cases[i].step) || q.to_ms != cases[i].to ||
            q.step_ms != cases[i].step) {
            fail_msg("%s: from %lld to %lld step %lld", cases[i].query, (long long)q.from_ms,
                     (long long)q.to_ms, (long long)q.step_ms);
        }
    }
}

/* `since` with a range leaves out the steps up to that time, and keeps the step of the range. */
static void test_since_leaves_out_known_steps(void **state)
{
    static const struct {
        const char *query;
        int64_t from, step; /* seconds */
    } cases[] = {
        {"range=1h&since=1763899970",           1763899980, 10  },
        {"range=1h&since=1763899979",           1763899980, 10  },
        {"range=1h&since=1763899980",           1763899990, 10  },
        {"range=1h&since=2025-11-23T12:13:00Z", 1763899990, 10  },
        {"range=1h&since=1763890000",           1763896400, 10  }, /* before the range */
        {"range=1h&since=0",                    1763896400, 10  },
        {"range=1h&since=1763900000",           1763900010, 10  }, /* the step of now */
        {"range=1h&since=1863900000",           1763900010, 10  }, /* later than now */
        {"range=8h&since=1763899000",           1763899020, 60  },
        {"range=30d&since=1763890000",          1763892000, 3600},
        {"range=1h&step=60&since=1763899000",   1763899020, 60  },
        {"from=1763899000&since=1763899900",    1763899000, 10  },
    };

    static const char *const bad[] = {"range=1h&since=yesterday", "range=1h&since=-5",
                                      "range=1h&from=x", "range=1h&to=-1"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stats_query q;

        assert_int_equal(ask(cases[i].query, "web", &q, NULL), 0);
        if (q.from_ms != cases[i].from * S || q.step_ms != cases[i].step * S || q.to_ms != NOW)
            fail_msg("%s: from %lld", cases[i].query, (long long)q.from_ms);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct stats_query q;

        assert_int_equal(ask(bad[i], "web", &q, NULL), -EDOM);
    }
}

static void test_a_range_is_found_for_every_time(void **state)
{
    static const struct {
        const char *query, *range;
        int64_t seconds;
    } cases[] = {
        {"range=1h",                      "1h",  3600   },
        {"range=8h",                      "8h",  28800  },
        {"range=24h",                     "24h", 86400  },
        {"range=7d",                      "7d",  604800 },
        {"range=30d",                     "30d", 2592000},
        {"range=7d&since=1763899900",     "7d",  604800 },
        {"from=1763890000&to=1763893600", "1h",  3600   },
        {"from=1763890000&to=1763893601", "8h",  28800  },
        {"from=1763890000",               "8h",  28800  },
        {"from=1700000000&to=1702592000", "30d", 2592000},
        {"from=1600000000",               "30d", 2592000},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stats_query q;

        assert_int_equal(ask(cases[i].query, "web", &q, NULL), 0);
        assert_string_equal(q.range->name, cases[i].range);
        assert_int_equal(q.range->ms, cases[i].seconds * S);
        assert_int_equal(q.now_ms, NOW);
    }
}

static void test_metrics_and_formats_are_parsed(void **state)
{
    const uint64_t usual = BIT(CONTAINER_CPU) | BIT(CONTAINER_MEM_USED) | BIT(CONTAINER_MEM_LIMIT) |
                           BIT(CONTAINER_NET_RX) | BIT(CONTAINER_NET_TX);
    const uint64_t usual_of_host = BIT(HOST_CPU) | BIT(HOST_MEM_USED) | BIT(HOST_MEM_TOTAL) |
                                   BIT(HOST_NET_RX) | BIT(HOST_NET_TX);
    const uint64_t counted = usual_of_host | BIT(HOST_CONTAINERS_RUNNING);
    const struct {
        const char *query, *series;
        uint64_t columns;
        bool is_named, with_marks, is_csv;
    } cases[] = {
        {"range=1h",                                "web", usual,                                    false, true,  false},
        {"range=1h",                                "",    counted,                                  false, true,  false},
        {"range=1h&step=10",                        "",    usual_of_host,                            false, true,  false},
        {"range=1h&metrics=",                       "web", usual,                                    false, true,  false},
        {"range=1h&metrics=pids",                   "web", BIT(CONTAINER_PIDS),                      true,  true,  false},
        {"range=1h&metrics=pids,cpu,pids",          "web", BIT(CONTAINER_PIDS) | BIT(CONTAINER_CPU), true,
         true,                                                                                                     false},
        {"range=1h&metrics=load_1",                 "",    BIT(HOST_LOAD_1),                         true,  true,  false},
        {"range=1h&metrics=started_at&marks=false", "web", BIT(CONTAINER_STARTED_AT),                true,  false,
         false                                                                                                          },
        {"range=1h&format=csv",                     "web", usual,                                    false, true,  true },
        {"range=1h&format=json",                    "web", usual,                                    false, true,  false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stats_query q;

        assert_int_equal(ask(cases[i].query, cases[i].series, &q, NULL), 0);
        if (q.columns != cases[i].columns || q.is_named != cases[i].is_named ||
            q.with_marks != cases[i].with_marks || q.is_csv != cases[i].is_csv)
            fail_msg("%s", cases[i].query);
    }
}

/* The header applies when the query has no format. */
static void test_the_accept_header_selects_the_format(void **state)
{
    static const struct {
        const char *query;
        bool is_csv;
    } cases[] = {
        {"range=1h",             true },
        {"range=1h&format=",     true },
        {"range=1h&format=csv",  true },
        {"range=1h&format=json", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct api_call call = {.query = (char *)(uintptr_t)cases[i].query,
                                      .accepts_csv = true};
        struct stats_query q;

        assert_int_equal(stats_query_read(&call, metric_set_of("web"), NOW, &q, NULL), 0);
        assert_int_equal(q.is_csv, cases[i].is_csv);
    }
}

static void test_invalid_queries_are_refused(void **state)
{
    static const struct {
        const char *query;
        int code;
        const char *says;
    } cases[] = {
        {"",                                   -EINVAL, "either `range`"                             },
        {"to=5",                               -EINVAL, "either `range`"                             },
        {"step=10",                            -EINVAL, "either `range`"                             },
        {"range=2h",                           -EDOM,   "`range` must be one of 1h, 8h"              },
        {"range=1H",                           -EDOM,   "`range`"                                    },
        {"from=x",                             -EDOM,   "`from`"                                     },
        {"since=x",                            -EDOM,   "`since`"                                    },
        {"from=5&to=x",                        -EDOM,   "`to`"                                       },
        {"from=5&to=5",                        -EDOM,   "ends before it begins"                      },
        {"from=5&to=4",                        -EDOM,   "ends before it begins"                      },
        {"from=2262-01-01T00:00:00Z",          -EDOM,   "ends before it begins"                      },
        {"range=1h&step=0",                    -EDOM,   "`step` must be a multiple of 10 s"          },
        {"range=1h&step=9",                    -EDOM,   "`step`"                                     },
        {"range=1h&step=15",                   -EDOM,   "`step`"                                     },
        {"range=1h&step=-10",                  -EDOM,   "`step`"                                     },
        {"range=1h&step=10.5",                 -EDOM,   "`step`"                                     },
        {"range=1h&step=2419210",              -EDOM,   "`step`"                                     },
        {"range=1h&step=29d",                  -EDOM,   "`step`"                                     },
        {"range=1h&step=99999999999999999999", -EDOM,   "`step`"                                     },
        {"range=1h&metrics=nope",              -EDOM,
         "there is no metric `nope`; the metrics are: cpu cpu_time "                                 },
        {"range=1h&metrics=load_1",            -EDOM,   "there is no metric `load_1`"                }, /* a host's */
        {"range=1h&metrics=cpu,",              -EDOM,   "there is no metric ``; the metrics are: cpu"},
        {"range=1h&metrics=CPU",               -EDOM,   "there is no metric `CPU`"                   },
        {"range=1h&format=CSV",                -EDOM,   "`format` must be json or csv"               },
        {"range=1h&marks=2",                   -EDOM,   "`marks` must be true or false"              },
        {"range=30d&step=10",                  -EDOM,   "259200 points of 5 metrics"                 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = ERROR_INIT;
        struct stats_query q;

        if (ask(cases[i].query, "web", &q, &err) != cases[i].code ||
            !strstr(err.msg, cases[i].says))
            fail_msg("%s: %d %s", cases[i].query, err.code, err.msg);
    }
}

/* 10,000 points and 50,000 values are possible, one more is refused. */
static void test_the_size_of_a_response_is_limited(void **state)
{
    static const struct {
        const char *query;
        bool is_possible;
    } cases[] = {
        {"from=10&to=100010&step=10&metrics=cpu",                                      true },
        {"from=10&to=100020&step=10&metrics=cpu",                                      false},
        {"from=19&to=100010&step=10&metrics=cpu",                                      true }, /* from is rounded down to a whole step */
        {"from=10&to=100010&step=10",                                                  true },
        {"from=10&to=83340&step=10&metrics=cpu,pids,net_rx,net_tx,mem_used,mem_limit", true },
        {"from=10&to=83350&step=10&metrics=cpu,pids,net_rx,net_tx,mem_used,mem_limit", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = ERROR_INIT;
        struct stats_query q;

        if ((ask(cases[i].query, "web", &q, &err) == 0) != cases[i].is_possible)
            fail_msg("%s: %s", cases[i].query, err.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_and_steps_are_parsed),
        cmocka_unit_test(test_since_leaves_out_known_steps),
        cmocka_unit_test(test_a_range_is_found_for_every_time),
        cmocka_unit_test(test_metrics_and_formats_are_parsed),
        cmocka_unit_test(test_the_accept_header_selects_the_format),
        cmocka_unit_test(test_invalid_queries_are_refused),
        cmocka_unit_test(test_the_size_of_a_response_is_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
