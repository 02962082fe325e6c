#include "base/alloc.h"
#include "base/str.h"
#include "cli/stats/stats_state.h"
#include "cli/stats/stats_table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WEB_ID "4f1c0a9be7d24f1c0a9be7d24f1c0a9be7d24f1c0a9be7d24f1c0a9be7d2aaaa"
#define DB_ID  "0123456789ab0123456789ab0123456789ab0123456789ab0123456789abcdef"
#define T0     "2026-01-31T12:00:00.000Z"
#define T0_MS  INT64_C(1769860800000)

/* clang-format off: messages of the feed */
static const char state_text[] =
    "{'type':'state','timestamp':'" T0
    "','reason':'subscribed','complete':false,'part':0,'last':true,"
    "'hosts':[{'id':'h1','name':'prod-1','status':'online','container_count':2,'agent':{'stats':{'containers':'cgroup2'}}},"
    "         {'id':'h2','name':'prod-2','status':'offline','container_count':1,'agent':null,'last_checked':'2026-01-31T11:59:59Z','stale_since':'2026-01-31T11:57:00Z'}],"
    "'containers':["
    "{'id':'" WEB_ID
    "','name':'web','state':'running','host_id':'h1','host_name':'prod-1','created':'2026-01-01T00:00:00Z','cpu_percent':99},"
    "{'id':'" DB_ID
    "','name':'db','state':'exited','host_id':'h1','host_name':'prod-1','created':'2026-01-01T00:00:00Z'},"
    "{'id':'" DB_ID
    "','name':'far','state':'running','host_id':'h2','host_name':'prod-2','created':'2026-01-01T00:00:00Z'}]}";
static const char metrics_text[] =
    "{'type':'update','timestamp':'" T0 "','stats':["
    "{'host_id':'h1','id':'" WEB_ID
    "','cpu_percent':12.345,'memory_usage':1572864,'memory_limit':null,'memory_percent':null,"
    "'network_rx':1500,'network_tx':0,'disk_read':null,'disk_write':null,'pids':7,'timestamp':'" T0
    "'},"
    "{'host_id':'h1','id':'" DB_ID "','cpu_percent':1,'timestamp':'" T0 "'},"
    "{'host_id':'h2','id':'" DB_ID "','cpu_percent':2,'timestamp':'" T0 "'}],"
    "'host_stats':[{'host_id':'h1','cpu_percent':0,'memory_percent':25.5,'net_bytes_per_sec':null,'timestamp':'" T0
    "'}]}";
/* clang-format on */

/* The messages above have single quotes, which are easier to read in C. */
static json_t *parse(const char *text)
{
    _cleanup_free_ char *copy = xstrdup(text);
    json_t *v;

    for (char *p = copy; *p; p++) {
        if (*p == '\'')
            *p = '"';
    }
    v = json_loads(copy, 0, NULL);
    assert_non_null(v);
    return v;
}

static void take(struct stats_state *s, const char *text, uint64_t monotonic_ms)
{
    json_auto_t *m = parse(text);

    stats_state_take(s, m, monotonic_ms);
}

static void start(struct stats_state *s, const struct stats_wanted *w)
{
    stats_state_init(s, w);
    take(s, state_text, 1000);
    take(s, metrics_text, 1000);
}

static void assert_table(const struct stats_state *s,
                         uint64_t at_ms,
                         size_t width,
                         const char *expected)
{
    const struct stats_view *v = s->wanted->hosts ? &stats_of_hosts : &stats_of_containers;
    struct buf out = BUF_INIT(8192);
    json_auto_t *list = NULL;
    _cleanup_free_ struct stats_row *rows = NULL;
    size_t n;

    rows = stats_state_rows(s, at_ms, &list, &n);
    stats_sort(rows, n, stats_column_find(v, "cpu"), false);
    stats_print(v, stats_column_find(v, "cpu"), rows, n, width, &out);
    assert_string_equal(buf_str(&out), expected);
    buf_done(&out);
}

#define WIDE_HEADER                                                                            \
    "CONTAINER ID   HOST      NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O      " \
    "BLOCK I/O   PIDS\n"
#define WEB_LINE                                                                               \
    "4f1c0a9be7d2   prod-1    web       12.35%    1.5MiB / --         --        1.5kB / 0B   " \
    "-- / --     7\n"

/* Unknown values are not 0, and metrics of an element of the container list are not used. */
static void test_unknown_values(void **state)
{
    struct stats_wanted w = {.selection.all = true};
    struct stats_state s;

    (void)state;
    start(&s, &w);
    assert_table(&s, 1000, 0,
                 "CONTAINER ID   HOST                  NAME      CPU %     MEM USAGE / LIMIT   MEM "
                 "%     NET I/O      BLOCK I/O   PIDS\n"
                 "4f1c0a9be7d2   prod-1                web       12.35%    1.5MiB / --         --  "
                 "      1.5kB / 0B   -- / --     7\n"
                 "0123456789ab   prod-1                db        --        -- / --             --  "
                 "      -- / --      -- / --     --\n"
                 "0123456789ab   prod-2 (offline 3m)   far       --        -- / --             --  "
                 "      -- / --      -- / --     --\n");
    stats_state_done(&s);
}

static void test_running_containers_and_stale_metrics(void **state)
{
    const char *filter = "host=prod-1";
    const struct args_list words = {.items = &filter, .n = 1};
    struct stats_wanted w = {0};
    struct stats_state s;

    (void)state;
    start(&s, &w);
    assert_int_equal(ps_filters_parse(&words, &w.selection.filters, NULL), 0);
    assert_table(&s, 1000, 0, WIDE_HEADER WEB_LINE);
    assert_table(&s, 1000 + STATS_STALE_MS - 1, 0, WIDE_HEADER WEB_LINE);
    assert_table(&s, 1000 + STATS_STALE_MS, 40,
                 "HOST      NAME      CPU %\nprod-1    web       --\n");
    ps_selection_done(&w.selection);
    stats_state_done(&s);
}

static void test_hosts(void **state)
{
    struct stats_wanted w = {.hosts = true};
    struct stats_state s;

    (void)state;
    start(&s, &w);
    assert_table(
        &s, 1000, 0,
        "HOST ID   HOST      STATUS       CPU %     MEM %     NET I/O   CONTAINERS   SOURCE\n"
        "h1        prod-1    online       0.00%     25.50%    --        2            cgroup2\n"
        "h2        prod-2    offline 3m   --        --        --        1            --\n");
    stats_state_done(&s);
}

/* Columns are dropped in order until the table fits; at last lines are cut. */
static void test_width(void **state)
{
    static const struct {
        size_t width;
        const char *header;
    } cases[] = {
        {200,
         "CONTAINER ID   HOST      NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O      BLOCK I/O   PIDS"},
        {100,
         "HOST      NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O      BLOCK I/O   PIDS"               },
        {85,  "HOST      NAME      CPU %     MEM USAGE / LIMIT   NET I/O      BLOCK I/O   PIDS"                    },
        {78,  "HOST      NAME      CPU %     MEM USAGE / LIMIT   NET I/O      BLOCK I/O"                           },
        {30,  "HOST      NAME      CPU %"                                                                          },
        {15,  "HOST      NAME…"                                                                                  },
    };
    const char *filter = "host=prod-1";
    const struct args_list words = {.items = &filter, .n = 1};
    struct stats_wanted w = {0};
    struct stats_state s;

    (void)state;
    start(&s, &w);
    assert_int_equal(ps_filters_parse(&words, &w.selection.filters, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = BUF_INIT(8192);
        json_auto_t *list = NULL;
        _cleanup_free_ struct stats_row *rows = NULL;
        _cleanup_free_ char *header = NULL;
        size_t n;

        rows = stats_state_rows(&s, 1000, &list, &n);
        stats_print(&stats_of_containers, NULL, rows, n, cases[i].width, &out);
        header = xstrndup(buf_str(&out), strcspn(buf_str(&out), "\n"));
        assert_string_equal(header, cases[i].header);
        buf_done(&out);
    }
    ps_selection_done(&w.selection);
    stats_state_done(&s);
}

static void test_sort(void **state)
{
    static const struct {
        const char *column;
        bool is_reversed;
        const char *order;
    } cases[] = {
        {"cpu",  false, "bca"},
        {"cpu",  true,  "cba"}, /* the unknown value stays last */
        {"name", false, "abc"},
        {"name", true,  "cba"},
        {"net",  false, "cab"}, /* a has only one of two values; b has none */
        {"pids", false, "abc"},
    };
    json_auto_t *subjects = parse(
        "[{'name':'a','id':'3'},{'name':'b','id':'2'},{'name':'c','id':'1'}]");
    json_auto_t *metrics = parse("[{'cpu_percent':null,'network_tx':5},{'cpu_percent':20},"
                                 "{'cpu_percent':3,'network_rx':10,'network_tx':1}]");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct stats_column *by = stats_column_find(&stats_of_containers, cases[i].column);
        struct stats_row rows[3];
        char order[4] = "";

        for (size_t k = 0; k < 3; k++) {
            rows[k] = (struct stats_row){.subject = json_array_get(subjects, 2 - k),
                                         .metrics = json_array_get(metrics, 2 - k)};
        }
        stats_sort(rows, 3, by, cases[i].is_reversed);
        for (size_t k = 0; k < 3; k++)
            order[k] = json_string_value(json_object_get(rows[k].subject, "name"))[0];
        assert_string_equal(order, cases[i].order);
    }
    assert_null(stats_column_find(&stats_of_containers, "CPU"));
    assert_ptr_equal(stats_column_of_key(&stats_of_hosts, 'c'),
                     stats_column_find(&stats_of_hosts, "cpu"));
    assert_null(stats_column_of_key(&stats_of_hosts, '\0'));
}

/*
 * Removals, a complete state, which replaces everything, and a container re-created under its name.
 */
static void test_removals_and_replacement(void **state)
{
    json_auto_t *named = parse("[{'host_id':'h1','name':'web','id':'" WEB_ID "'}]");
    struct stats_wanted w = {.selection.all = true, .named = named};
    struct stats_state s;

    (void)state;
    start(&s, &w);
    take(
        &s,
        "{'type':'update','timestamp':'" T0 "','removed':[{'host_id':'h1','id':'" WEB_ID "'}],"
        "'containers':[{'id':'999999999999','name':'web','state':'running','host_id':'h1','host_name':'prod-1'}]}",
        1000);
    assert_table(&s, 1000, 40, "HOST      NAME      CPU %\nprod-1    web       --\n");
    take(&s, "{'type':'update','timestamp':'" T0 "','removed_hosts':['h1']}", 1000);
    assert_table(&s, 1000, 40, "HOST      NAME      CPU %\n");
    assert_int_equal(json_object_size(s.metrics), 1);
    take(&s, "{'type':'state','timestamp':'" T0 "','complete':true,'part':0,'last':true}", 1000);
    assert_int_equal(json_object_size(s.containers), 0);
    stats_state_done(&s);
}

static void test_topics_and_fresh(void **state)
{
    struct stats_wanted w = {.selection.all = true};
    struct stats_state s;
    json_auto_t *list = NULL, *topics = NULL;
    _cleanup_free_ struct stats_row *rows = NULL;
    size_t n;

    (void)state;
    start(&s, &w);
    rows = stats_state_rows(&s, 1000, &list, &n);
    topics = stats_state_topics(&s, rows, n);
    assert_int_equal(json_object_size(topics),
                     1); /* none for stopped containers and offline hosts */
    assert_non_null(json_object_get(topics, "stats/h1/4f1c0a9be7d2"));
    stats_sort(rows, n, stats_column_find(&stats_of_containers, "name"), false);
    assert_true(stats_state_is_fresh(&s, &rows[0], T0_MS)); /* db is stopped: it has no metrics */
    assert_true(stats_state_is_fresh(&s, &rows[2], T0_MS - 1));
    assert_false(stats_state_is_fresh(&s, &rows[2], T0_MS));
    stats_state_done(&s);
}

/* Only running and paused containers on an online host have metrics to subscribe to. */
static void test_measured_states(void **state)
{
    static const struct {
        const char *state, *status;
        bool is_measured;
    } cases[] = {
        {"running",    "online",  true },
        {"paused",     "online",  true },
        {"exited",     "online",  false},
        {"restarting", "online",  false},
        {"running",    "offline", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stats_wanted w = {.selection.all = true};
        _cleanup_free_ struct stats_row *rows = NULL;
        json_auto_t *list = NULL, *topics = NULL;
        struct stats_state s;
        json_auto_t *m = json_pack("{s:s, s:s, s:[{s:s, s:s}], s:[{s:s, s:s, s:s, s:s}]}", "type",
                                   "state", "timestamp", T0, "hosts", "id", "h1", "status",
                                   cases[i].status, "containers", "id", WEB_ID, "host_id", "h1",
                                   "name", "web", "state", cases[i].state);
        size_t n;

        stats_state_init(&s, &w);
        stats_state_take(&s, m, 1000);
        rows = stats_state_rows(&s, 1000, &list, &n);
        assert_int_equal(n, 1);
        topics = stats_state_topics(&s, rows, n);
        assert_int_equal(json_object_size(topics), cases[i].is_measured ? 1 : 0);
        assert_int_equal(stats_state_is_fresh(&s, &rows[0], T0_MS), !cases[i].is_measured);
        stats_state_done(&s);
    }
}

/* Above the server's limit of topics, whole hosts are subscribed to. */
static void test_topics_of_whole_hosts(void **state)
{
    static const size_t counts[] = {1500, 1501};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        struct stats_wanted w = {.selection.all = true};
        _cleanup_free_ struct stats_row *rows = NULL;
        json_auto_t *list = NULL, *topics = NULL;
        json_auto_t *m = json_pack("{s:s, s:s, s:[{s:s, s:s}], s:[]}", "type", "state", "timestamp",
                                   T0, "hosts", "id", "h1", "status", "online", "containers");
        struct stats_state s;
        size_t n;

        for (size_t k = 0; k < counts[i]; k++) {
            _cleanup_free_ char *id = xasprintf("%012zx", k);

            (void)json_array_append_new(json_object_get(m, "containers"),
                                        json_pack("{s:s, s:s, s:s, s:s}", "id", id, "host_id", "h1",
                                                  "name", id, "state", "running"));
        }
        stats_state_init(&s, &w);
        stats_state_take(&s, m, 1000);
        rows = stats_state_rows(&s, 1000, &list, &n);
        topics = stats_state_topics(&s, rows, n);
        assert_int_equal(json_object_size(topics), counts[i] > 1500 ? 1 : counts[i]);
        assert_int_equal(json_object_get(topics, "stats/h1") != NULL, counts[i] > 1500);
        stats_state_done(&s);
    }
}

/*
 * A second part adds to the first, a name is valid on its host only, a first sample has no CPU yet.
 */
static void test_parts_names_and_first_samples(void **state)
{
    json_auto_t *named = parse("[{'host_id':'h1','name':'web','id':'" WEB_ID "'}]");
    struct stats_wanted w = {.selection.all = true, .named = named};
    _cleanup_free_ struct stats_row *rows = NULL;
    json_auto_t *list = NULL;
    struct stats_state s;
    size_t n;

    (void)state;
    start(&s, &w);
    take(
        &s,
        "{'type':'state','timestamp':'" T0 "','complete':true,'part':1,'last':true,'containers':["
        "{'id':'888888888888','name':'web','state':'running','host_id':'h2','host_name':'prod-2'}]}",
        1000);
    assert_int_equal(json_object_size(s.containers), 4);
    rows = stats_state_rows(&s, 1000, &list, &n);
    assert_int_equal(n, 1);
    assert_true(stats_state_is_fresh(&s, &rows[0], T0_MS - 1));
    free(TAKE_PTR(rows));
    json_decref(TAKE_PTR(list));
    take(&s,
         "{'type':'update','timestamp':'" T0 "','stats':[{'host_id':'h1','id':'" WEB_ID
         "','cpu_percent':null,'timestamp':'" T0 "'}]}",
         1000);
    rows = stats_state_rows(&s, 1000, &list, &n);
    assert_false(stats_state_is_fresh(&s, &rows[0], T0_MS - 1));
    stats_state_done(&s);
}

static void test_binary_size(void **state)
{
    static const struct {
        double bytes;
        const char *text;
    } cases[] = {
        {0,           "0B"      },
        {1023,        "1023B"   },
        {1024,        "1KiB"    },
        {1572864,     "1.5MiB"  },
        {8321499136,  "7.75GiB" },
        {5e18,        "4.337EiB"},
        {(double)NAN, "--"      },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *got = stats_binary_size(cases[i].bytes);

        assert_string_equal(got, cases[i].text);
    }
}

static void test_decimal_size(void **state)
{
    static const struct {
        double bytes;
        const char *text;
    } cases[] = {
        {0,           "0B"    },
        {-5,          "0B"    },
        {1500,        "1.5kB" },
        {9.3e18,      "9.22EB"}, /* above the range of a counter */
        {1e308,       "9.22EB"},
        {-1e308,      "0B"    },
        {(double)NAN, "--"    },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *got = stats_decimal_size(cases[i].bytes);

        assert_string_equal(got, cases[i].text);
    }
}

/* A long name is cut before metrics are dropped, and the column that is sorted by stays. */
static void test_long_names(void **state)
{
    static const struct {
        const char *by;
        size_t width;
        const char *line;
    } cases[] = {
        {"cpu",  80,
         "prod-1    shop-frontend-wor…   1.00%     -- / --             -- / --   -- / --"},
        {"pids", 48, "prod-1    shop-frontend-worker…   1.00%     7"                     },
        {"cpu",  0,
         "abc            prod-1    shop-frontend-worker-1-blue   1.00%     -- / --             --    "
         "    -- / --   -- / --     7"                                                     },
    };
    json_auto_t *subject = parse(
        "{'id':'abc','host_name':'prod-1','name':'shop-frontend-worker-1-blue'}");
    json_auto_t *metrics = parse("{'cpu_percent':1,'pids':7}");
    const struct stats_row row = {.subject = subject, .metrics = metrics};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct stats_column *by = stats_column_find(&stats_of_containers, cases[i].by);
        struct buf out = BUF_INIT(8192);
        _cleanup_free_ char *line = NULL;
        const char *second;

        stats_print(&stats_of_containers, by, &row, 1, cases[i].width, &out);
        second = strchr(buf_str(&out), '\n') + 1;
        line = xstrndup(second, strcspn(second, "\n"));
        assert_string_equal(line, cases[i].line);
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_values),
        cmocka_unit_test(test_running_containers_and_stale_metrics),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_removals_and_replacement),
        cmocka_unit_test(test_topics_and_fresh),
        cmocka_unit_test(test_measured_states),
        cmocka_unit_test(test_topics_of_whole_hosts),
        cmocka_unit_test(test_parts_names_and_first_samples),
        cmocka_unit_test(test_binary_size),
        cmocka_unit_test(test_decimal_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
