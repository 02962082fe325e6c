#include "base/buf.h"
#include "server/sqlite/db_internal.h"
#include "server/store/events.h"
#include "server/store/fixture.h"

#include <errno.h>
#include <string.h>

static char t_host[] = "h1", t_host2[] = "h2", t_container[] = "0123456789ab", t_name[] = "web";
static char t_category[] = "container", t_agent[] = "agent", t_type[] = "died",
            t_severity[] = "error";
static char t_title[] = "web Died", t_message[] = "exit code 137 \xc3\xa4", t_old[] = "running";
static char t_new[] = "exited", t_by[] = "admin", t_correlation[] = "c-1", t_key[] = "h1/x/die/5";
static char t_details[] = "{\"exitCode\":137}", t_hostname[] = "alpha";

static const struct event full = {
    .at_ms = 1000,
    .engine_ns = INT64_C(1750000000123456789),
    .category = t_category,
    .type = t_type,
    .severity = t_severity,
    .host_id = t_host,
    .host_name = t_hostname,
    .container_id = t_container,
    .container_name = t_name,
    .title = t_title,
    .message = t_message,
    .old_state = t_old,
    .new_state = t_new,
    .triggered_by = t_by,
    .correlation_id = t_correlation,
    .details = t_details,
    .dedup_key = t_key,
};

static void insert(struct db *s, const struct event *e, bool is_new)
{
    struct error err = ERROR_INIT;
    int64_t id = -1;

    if (events_insert(s, e, &id, &err) < 0)
        fail_msg("events_insert: %s", err.msg);
    assert_int_equal(id > 0, is_new);
    assert_true(id >= 0);
}

static void check_full(void *arg, const struct event *e)
{
    (*(int *)arg)++;
    assert_true(e->id > 0);
    assert_int_equal(e->at_ms, full.at_ms);
    assert_true(e->engine_ns == full.engine_ns);
    assert_string_equal(e->category, full.category);
    assert_string_equal(e->type, full.type);
    assert_string_equal(e->severity, full.severity);
    assert_string_equal(e->host_id, full.host_id);
    assert_string_equal(e->host_name, full.host_name);
    assert_string_equal(e->container_id, full.container_id);
    assert_string_equal(e->container_name, full.container_name);
    assert_string_equal(e->title, full.title);
    assert_string_equal(e->message, full.message);
    assert_string_equal(e->old_state, full.old_state);
    assert_string_equal(e->new_state, full.new_state);
    assert_string_equal(e->triggered_by, full.triggered_by);
    assert_string_equal(e->correlation_id, full.correlation_id);
    assert_string_equal(e->details, full.details);
    assert_string_equal(e->dedup_key, full.dedup_key);
}

static void test_all_columns_are_stored(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    int64_t total = 0;
    int n = 0;

    insert(s, &full, true);
    assert_int_equal(
        events_list(s, &(struct events_query){.page.limit = 10}, check_full, &n, &total, NULL), 0);
    assert_int_equal(n, 1);
    assert_int_equal(total, 1);
}

static void test_duplicate_is_ignored(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct event other = full;
    int n = 0;

    insert(s, &full, true);
    other.at_ms = 5000;
    insert(s, &other, false);
    assert_int_equal(
        events_list(s, &(struct events_query){.page.limit = 10}, check_full, &n, NULL, NULL), 0);
    assert_int_equal(n, 1); /* check_full has compared the time of the first one */

    other.dedup_key = NULL; /* events without a key are never duplicates */
    insert(s, &other, true);
    insert(s, &other, true);
}

static void test_other_constraints_are_errors(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct event e = full;
    char bad[] = "{";
    int64_t id;

    e.severity = t_type;
    assert_int_equal(events_insert(s, &e, &id, NULL), -EINVAL);
    e = full;
    e.details = bad;
    assert_int_equal(events_insert(s, &e, &id, NULL), -EINVAL);
    e = full;
    e.title = NULL;
    assert_int_equal(events_insert(s, &e, &id, NULL), -EINVAL);
}

static void test_newest_engine_time_is_that_of_the_host(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct event e = full;
    int64_t ns = -1;

    assert_int_equal(events_newest_engine_ns(s, "h1", &ns, NULL), 0);
    assert_int_equal(ns, 0);
    e.dedup_key = NULL;
    e.engine_ns = 30;
    insert(s, &e, true);
    e.engine_ns = 20;
    insert(s, &e, true);
    e.engine_ns = 0; /* an event of the server has no engine time */
    insert(s, &e, true);
    e.host_id = t_host2;
    e.engine_ns = 99;
    insert(s, &e, true);
    assert_int_equal(events_newest_engine_ns(s, "h1", &ns, NULL), 0);
    assert_int_equal(ns, 30);
    assert_int_equal(events_newest_engine_ns(s, "h2", &ns, NULL), 0);
    assert_int_equal(ns, 99);
}

static void append_time(void *arg, const struct event *e)
{
    assert_int_equal(buf_printf(arg, "%lld ", (long long)e->at_ms), 0);
}

/*
 * 1 h1 container died error "web Died"; 2 h2 same; 3 h1 agent started info "Agent UP"; 4 h1, no
 * message
 */
static void insert_four(struct db *s)
{
    char started[] = "started", info[] = "info", up[] = "Agent UP";
    struct event e = full;

    e.dedup_key = NULL;
    e.at_ms = 1;
    insert(s, &e, true);
    e.at_ms = 2;
    e.host_id = t_host2;
    insert(s, &e, true);
    e.at_ms = 3;
    e.host_id = t_host;
    e.category = t_agent;
    e.type = started;
    e.severity = info;
    e.title = up;
    e.container_id = NULL;
    insert(s, &e, true);
    e.at_ms = 4;
    e.message = NULL;
    insert(s, &e, true);
}

static void test_queries_filter_and_page(void **state)
{
    static const struct {
        struct events_query query;
        const char *times;
        int64_t total;
    } cases[] = {
        {{.page.limit = 10},                                         "4 3 2 1 ", 4},
        {{.page.limit = 2},                                          "4 3 ",     4},
        {{.page.limit = 2, .page.offset = 1},                        "3 2 ",     4},
        {{.page.limit = 2, .page.offset = 9},                        "",         4},
        {{.page.limit = 10, .host_id = "h1"},                        "4 3 1 ",   3},
        {{.page.limit = 1, .host_id = "h1", .page.offset = 1},       "3 ",       3},
        {{.page.limit = 10, .host_id = "h3"},                        "",         0},
        {{.page.limit = 10, .category = "agent"},                    "4 3 ",     2},
        {{.page.limit = 10, .type = "died"},                         "2 1 ",     2},
        {{.page.limit = 10, .severity = "info"},                     "4 3 ",     2},
        {{.page.limit = 10, .container_id = "0123456789ab"},         "2 1 ",     2},
        {{.page.limit = 10, .page.since_ms = 2},                     "4 3 2 ",   3},
        {{.page.limit = 10, .page.until_ms = 2},                     "1 ",       1},
        {{.page.limit = 10, .page.since_ms = 2, .page.until_ms = 4}, "3 2 ",     2},
        {{.page.limit = 10, .search = "WEB"},                        "2 1 ",     2},
        {{.page.limit = 10, .search = "agent up"},                   "4 3 ",     2},
        {{.page.limit = 10, .search = "code 137"},                   "3 2 1 ",   3},
        {{.page.limit = 10, .search = "%"},                          "",         0},
        {{.page.limit = 10, .host_id = "h1", .search = "' OR 1=1"},  "",         0},
        {{.page.limit = 10, .host_id = "h1", .type = "died"},        "1 ",       1},
    };
    struct db *s = ((struct fixture *)*state)->store;

    insert_four(s);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf times = BUF_INIT(100);
        int64_t total = -1;

        assert_int_equal(events_list(s, &cases[i].query, append_time, &times, &total, NULL), 0);
        assert_string_equal(buf_str(&times), cases[i].times);
        assert_int_equal(total, cases[i].total);
        buf_done(&times);
    }
}

static int count_step(void *n)
{
    (*(int64_t *)n)++;
    return 0;
}

static void count_row(void *n, const struct event *e)
{
    (void)e;
    (*(int *)n)++;
}

/* Counts the instructions that SQLite runs for a page and its total. */
static int64_t measure_cost(struct db *s, const struct events_query *query, int64_t total_expected)
{
    int64_t total = -1, steps = 0;
    int n = 0;

    sqlite3_progress_handler(s->handle, 1, count_step, &steps);
    assert_int_equal(events_list(s, query, count_row, &n, &total, NULL), 0);
    sqlite3_progress_handler(s->handle, 0, NULL, NULL);
    assert_int_equal(total, total_expected);
    return steps;
}

/*
 * A row of the page costs about 100 instructions, a row that is only counted costs 8. A query
 * that reads all rows costs 9,000 and more.
 */
static void test_page_does_not_read_the_whole_table(void **state)
{
    enum { N = 3000, OF_OTHER = 50 };
    static const struct {
        struct events_query query;
        int64_t total, max_steps;
    } cases[] = {
        {{.page.limit = 10},                                        N,        2000 },
        {{.page.limit = 10, .page.offset = 20},                     N,        4000 },
        {{.page.limit = 10, .page.since_ms = N - 40},               41,       2000 },
        {{.page.limit = 10, .page.since_ms = 1},                    N,        24000},
        {{.page.limit = 10, .host_id = "h2"},                       OF_OTHER, 2000 },
        {{.page.limit = 10, .host_id = "h2", .type = "died"},       OF_OTHER, 6000 },
        {{.page.limit = 100, .host_id = "h2", .severity = "error"}, OF_OTHER, 6000 },
    };
    struct db *s = ((struct fixture *)*state)->store;
    struct event e = full;

    e.dedup_key = NULL;
    for (int i = 1; i <= N; i++) {
        e.at_ms = i;
        e.host_id = i <= OF_OTHER ? t_host2 : t_host;
        insert(s, &e, true);
    }
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t steps = measure_cost(s, &cases[i].query, cases[i].total);

        if (steps > cases[i].max_steps) {
            fail_msg("case %zu: %lld instructions, allowed are %lld", i, (long long)steps,
                     (long long)cases[i].max_steps);
        }
    }
}

static void test_purge_deletes_old_and_excess_rows(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct buf times = BUF_INIT(100);
    bool is_more = true;

    insert_four(s);
    assert_int_equal(events_purge(s, 3, 1000, &is_more, NULL), 0);
    assert_false(is_more);
    assert_int_equal(
        events_list(s, &(struct events_query){.page.limit = 10}, append_time, &times, NULL, NULL),
        0);
    assert_string_equal(buf_str(&times), "4 3 ");
    buf_clear(&times);
    assert_int_equal(events_purge(s, 0, 1, &is_more, NULL), 0);
    assert_int_equal(
        events_list(s, &(struct events_query){.page.limit = 10}, append_time, &times, NULL, NULL),
        0);
    assert_string_equal(buf_str(&times), "4 ");
    buf_done(&times);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_columns_are_stored),
        TEST(test_duplicate_is_ignored),
        TEST(test_other_constraints_are_errors),
        TEST(test_newest_engine_time_is_that_of_the_host),
        TEST(test_queries_filter_and_page),
        TEST(test_page_does_not_read_the_whole_table),
        TEST(test_purge_deletes_old_and_excess_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
