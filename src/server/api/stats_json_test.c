#include "base/str.h"
#include "proto/samples.h"
#include "server/api/stats_json.h"
#include "server/stats/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define NONE   METRIC_NONE
#define BIT(i) (UINT64_C(1) << (i))

static const struct stats_range eight_hours = {"8h", INT64_C(8) * 3600 * 1000};

static void add(struct history_points *p, int64_t at_ms, const int64_t set[][2], size_t n)
{
    int64_t values[CONTAINER_METRICS];

    samples_clear_values(values, CONTAINER_METRICS);
    for (size_t i = 0; i < n; i++)
        values[set[i][0]] = set[i][1];
    history_points_add_sample(p, at_ms, values, p->set.n);
}

#define ADD(p, at_ms, ...)                        \
    do {                                          \
        const int64_t set_[][2] = {__VA_ARGS__};  \
        add((p), (at_ms), set_, ARRAY_LEN(set_)); \
    } while (0)

static void start(struct history_points *p, const char *series, int64_t to_ms, uint64_t columns)
{
    const struct history_points_options o = {series, 0, to_ms, 10000,
                                             rate_columns(series, columns)};

    assert_int_equal(history_points_init(p, &o, NULL), 0);
}

static void assert_json(const struct stats_answer *a, const char *expected)
{
    struct buf out = BUF_INIT(65536);
    json_t *v;

    stats_json_write(&out, a);
    v = json_loads(buf_str(&out), JSON_REJECT_DUPLICATES, NULL);
    assert_string_equal(buf_str(&out), expected);
    assert_non_null(v);
    json_decref(v);
    buf_done(&out);
}

static void assert_csv(const struct stats_answer *a, const char *expected)
{
    struct buf out = BUF_INIT(65536);

    stats_csv_write(&out, a);
    assert_string_equal(buf_str(&out), expected);
    buf_done(&out);
}

/* The points begin one step before the response: for the first rate only. */
static void test_default_arrays_are_written(void **state)
{
    const uint64_t columns = stats_usual_columns(metric_set_of("web"));
    struct history_mark marks[] = {
        {9999,  (char[]){"died"},    (char[]){"before"}        },
        {10000, (char[]){"started"}, (char[]){""}              },
        {20001, (char[]){"oom"},     (char[]){"\"a\"\n\x1b[1m"}},
    };
    struct stats_query q = {.from_ms = 10000,
                            .to_ms = 40000,
                            .step_ms = 10000,
                            .columns = columns,
                            .with_marks = true,
                            .now_ms = 41999,
                            .range = &eight_hours};
    struct stats_answer a = {.host_id = "h\"1",
                             .container_id = "c",
                             .series = "web",
                             .query = &q,
                             .marks = marks,
                             .n_marks = 3};
    struct history_points p;

    (void)state;
    start(&p, "web", 40000, columns);
    ADD(&p, 0, {CONTAINER_NET_RX, 1000}, {CONTAINER_NET_TX, 0});
    ADD(&p, 10000, {CONTAINER_CPU, 1234}, {CONTAINER_MEM_USED, 1}, {CONTAINER_MEM_LIMIT, 3},
        {CONTAINER_NET_RX, 2000}, {CONTAINER_NET_TX, 5});
    ADD(&p, 20000, {CONTAINER_CPU, 0}, {CONTAINER_MEM_USED, 5}, {CONTAINER_MEM_LIMIT, 0},
        {CONTAINER_NET_RX, 2000});
    a.points = &p;
    assert_json(
        &a,
        "{\"host_id\":\"h\\\"1\",\"container_id\":\"c\",\"series\":\"web\","
        "\"tier\":\"8h\",\"tier_seconds\":28800,\"interval_seconds\":10,\"step_seconds\":10,"
        "\"from\":10,\"to\":40,\"server_time\":41,\"from_iso\":\"1970-01-01T00:00:10.000Z\","
        "\"to_iso\":\"1970-01-01T00:00:40.000Z\",\"timestamps\":[10,20,30],"
        "\"cpu\":[12.34,0,null],\"mem\":[33.3333,null,null],\"net_bps\":[100.5,null,null],"
        "\"memory_used_bytes\":[1,5,null],\"memory_limit_bytes\":[3,0,null],"
        "\"marks\":[{\"at\":\"1970-01-01T00:00:10.000Z\",\"kind\":\"started\",\"text\":\"\"},"
        "{\"at\":\"1970-01-01T00:00:20.001Z\",\"kind\":\"oom\",\"text\":\"\\\"a\\\"\\n\\u001B[1m\"}]}");
    assert_csv(
        &a,
        "time,cpu,cpu_max,mem_used,mem_used_max,mem_limit,mem_limit_max,net_rx_per_second,net_tx_per_second\r\n"
        "1970-01-01T00:00:10.000Z,12.34,12.34,1,1,3,3,100,0.5\r\n"
        "1970-01-01T00:00:20.000Z,0,0,5,5,0,0,0,\r\n"
        "1970-01-01T00:00:30.000Z,,,,,,,,\r\n");
    history_points_done(&p);
}

static void test_named_metrics_are_written_in_their_units(void **state)
{
    static const struct {
        int metric;
        int64_t first, second; /* within one step */
        const char *json;
    } cases[] = {
        {CONTAINER_CPU,         100,       201,
         "\"cpu\":{\"unit\":\"percent\",\"values\":[1.5,null],\"max\":[2.01,null]}"                                    },
        {CONTAINER_PIDS,        2,         4,
         "\"pids\":{\"unit\":\"count\",\"values\":[3,null],\"max\":[4,null]}"                                          },
        {CONTAINER_MEM_USED,    INT64_MAX, INT64_MAX,
         "\"mem_used\":{\"unit\":\"bytes\",\"values\":[9.22337203685478e+18,null],\"max\":[9.22337203685478e+18,null]}"},
        {CONTAINER_PSI_IO_SOME, 1,         1,
         "\"psi_io_some\":{\"unit\":\"percent\",\"values\":[0.01,null],\"max\":[0.01,null]}"                           },
        {CONTAINER_STARTED_AT,  1500,      2501,
         "\"started_at\":{\"unit\":\"unix_seconds\",\"values\":[2.501,null]}"                                          },
        {CONTAINER_NET_RX,      5,         6,
         "\"net_rx\":{\"unit\":\"bytes_per_second\",\"values\":[null,null]}"                                           },
        {CONTAINER_CPU_TIME,    5,         6,
         "\"cpu_time\":{\"unit\":\"seconds_per_second\",\"values\":[null,null]}"                                       },
        {CONTAINER_OOM_KILLS,   5,         6,
         "\"oom_kills\":{\"unit\":\"count_per_second\",\"values\":[null,null]}"                                        },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stats_query q = {.to_ms = 20000,
                                .step_ms = 10000,
                                .columns = BIT(cases[i].metric),
                                .is_named = true,
                                .range = &eight_hours};
        struct stats_answer a = {.host_id = "h", .series = "", .query = &q};
        char expected[512];
        struct history_points p;

        start(&p, "web", 20000, q.columns);
        ADD(&p, 0, {cases[i].metric, cases[i].first});
        ADD(&p, 1000, {cases[i].metric, cases[i].second});
        a.points = &p;
        (void)snprintf(
            expected, sizeof(expected),
            "{\"host_id\":\"h\",\"container_id\":null,\"series\":\"\","
            "\"tier\":\"8h\",\"tier_seconds\":28800,\"interval_seconds\":10,\"step_seconds\":10,"
            "\"from\":0,\"to\":20,\"server_time\":0,\"from_iso\":\"1970-01-01T00:00:00.000Z\","
            "\"to_iso\":\"1970-01-01T00:00:20.000Z\",\"timestamps\":[0,10],\"metrics\":{%s}}",
            cases[i].json);
        assert_json(&a, expected);
        history_points_done(&p);
    }
}

/* Of too many marks, the newest are returned. */
static void test_the_newest_marks_are_written(void **state)
{
    static struct history_mark marks[1002];
    char kind[] = "died", text[] = "";
    struct stats_query q = {.range = &eight_hours,
                            .to_ms = 10000,
                            .step_ms = 10000,
                            .columns = BIT(CONTAINER_CPU),
                            .is_named = true,
                            .with_marks = true};
    struct stats_answer a = {
        .host_id = "h", .series = "", .query = &q, .marks = marks, .n_marks = ARRAY_LEN(marks)};
    struct buf out = BUF_INIT(1 << 20);
    struct history_points p;
    json_t *v, *list;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        marks[i] = (struct history_mark){(int64_t)i, kind, text};
    start(&p, "web", 10000, q.columns);
    a.points = &p;
    stats_json_write(&out, &a);
    v = json_loads(buf_str(&out), 0, NULL);
    list = json_object_get(v, "marks");
    assert_int_equal(json_array_size(list), 1000);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "at")),
                        "1970-01-01T00:00:00.002Z");
    json_decref(v);
    buf_done(&out);
    history_points_done(&p);
}

static struct ring_pool pool;

static void add_live(struct stats_series *line, int64_t at_ms, const int64_t set[][2], size_t n)
{
    struct ring_row row = {.at_ms = at_ms};

    for (size_t i = 0; i < ARRAY_LEN(row.values); i++)
        row.values[i] = NONE;
    for (size_t i = 0; i < n; i++)
        row.values[set[i][0]] = set[i][1];
    assert_true(ring_add(&line->ring, &pool, &row));
}

#define ADD_LIVE(line, at_ms, ...)                        \
    do {                                                  \
        const int64_t set_[][2] = {__VA_ARGS__};          \
        add_live((line), (at_ms), set_, ARRAY_LEN(set_)); \
    } while (0)

static void assert_live(const struct stats_series *line, int64_t after_ms, const char *expected)
{
    struct buf out = BUF_INIT(65536);

    stats_live_write(&out, line, after_ms);
    assert_string_equal(buf_str(&out), expected);
    buf_done(&out);
}

static void test_the_last_minutes_are_written(void **state)
{
    struct stats_series line = {0};

    (void)state;
    assert_live(
        NULL, 0,
        "{\"timestamps\":[],\"cpu\":[],\"mem\":[],\"net\":[],\"memory_used_bytes\":[],\"memory_limit_bytes\":[],"
        "\"net_rx\":[],\"net_tx\":[],\"disk_read\":[],\"disk_write\":[]}");
    ADD_LIVE(&line, 1000, {STATS_CPU, 150}, {STATS_MEM_USED, 1}, {STATS_MEM_LIMIT, 4},
             {STATS_NET_RX, 100}, {STATS_NET_TX, 0}, {STATS_BLK_READ, 0}, {STATS_BLK_WRITE, 7});
    ADD_LIVE(&line, 3500, {STATS_CPU, 0}, {STATS_MEM_USED, 1}, {STATS_NET_RX, 200},
             {STATS_NET_TX, 10}, {STATS_BLK_WRITE, 12});
    ADD_LIVE(&line, 28500, {STATS_MEM_LIMIT, 0}, {STATS_MEM_USED, 2}, {STATS_NET_RX, 150});
    ADD_LIVE(&line, 53501, {STATS_CPU, 1}, {STATS_NET_RX, 250}); /* too late for a rate */
    assert_live(
        &line, INT64_MIN,
        "{\"timestamps\":[1,3.5,28.5,53.501],\"cpu\":[1.5,0,null,0.01],\"mem\":[25,null,null,null],\"net\":[null,44,null,null],"
        "\"memory_used_bytes\":[1,1,2,null],\"memory_limit_bytes\":[4,null,0,null],"
        "\"net_rx\":[null,40,6,null],\"net_tx\":[null,4,null,null],\"disk_read\":[null,null,null,null],\"disk_write\":[null,2,null,null]}");
    assert_live(
        &line, 1000,
        "{\"timestamps\":[3.5,28.5,53.501],\"cpu\":[0,null,0.01],\"mem\":[null,null,null],\"net\":[44,null,null],"
        "\"memory_used_bytes\":[1,2,null],\"memory_limit_bytes\":[null,0,null],"
        "\"net_rx\":[40,6,null],\"net_tx\":[4,null,null],\"disk_read\":[null,null,null],\"disk_write\":[2,null,null]}");
    ring_done(&line.ring, &pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_arrays_are_written),
        cmocka_unit_test(test_named_metrics_are_written_in_their_units),
        cmocka_unit_test(test_the_newest_marks_are_written),
        cmocka_unit_test(test_the_last_minutes_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
