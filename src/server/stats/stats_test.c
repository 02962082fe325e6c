#include "base/alloc.h"
#include "base/str.h"
#include "server/stats/rate.h"
#include "server/stats/stats.h"
#include "server/store/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define NONE METRIC_NONE
#define NOW  INT64_C(1763900000000)

static int64_t clock_ms = NOW;

static int64_t fake_clock(void)
{
    return clock_ms;
}

/* --- names ------------------------------------------------------------------------------------ */

static json_t *make_labels(const char *project,
                           const char *service,
                           const char *n,
                           const char *once)
{
    json_t *o = json_object();

    if (project)
        (void)json_object_set_new(o, "com.docker.compose.project", json_string(project));
    if (service)
        (void)json_object_set_new(o, "com.docker.compose.service", json_string(service));
    if (n)
        (void)json_object_set_new(o, "com.docker.compose.container-number", json_string(n));
    if (once)
        (void)json_object_set_new(o, "com.docker.compose.oneoff", json_string(once));
    return o;
}

static void test_series_is_named_by_what_outlives_a_container(void **state)
{
    static const struct {
        const char *name, *project, *service, *number, *once, *expected;
    } cases[] = {
        {"web",         NULL,   NULL,  NULL, NULL,    "web"        },
        {"shop-web-1",  "shop", "web", "1",  "False", "shop/web"   },
        {"shop-web-1",  "shop", "web", NULL, NULL,    "shop/web"   },
        {"shop-web-2",  "shop", "web", "2",  "False", "shop/web/2" },
        {"shop-run-ab", "shop", "web", "1",  "True",  "shop-run-ab"},
        {"shop-web-1",  "shop", NULL,  "1",  NULL,    "shop-web-1" },
        {"shop-web-1",  "",     "web", "1",  NULL,    "shop-web-1" },
        {"",            NULL,   NULL,  NULL, NULL,    "0123"       },
    };
    char project[400], series[STATS_SERIES_SIZE];
    struct fleet_container c = {.id = "0123"};
    struct fleet_host host = {.containers_version = 1};
    struct series_claims claims = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        c.name = xstrdup(cases[i].name);
        c.labels = make_labels(cases[i].project, cases[i].service, cases[i].number, cases[i].once);
        stats_series_name(&claims, &host, &c, series);
        assert_string_equal(series, cases[i].expected);
        json_decref(c.labels);
        free(c.name);
    }
    memset(project, 'p', sizeof(project) - 1);
    project[sizeof(project) - 1] = '\0';
    c.name = xstrdup("long");
    c.labels = make_labels(project, "web", "1", NULL);
    stats_series_name(&claims, &host, &c, series);
    assert_string_equal(series, "long");
    json_decref(c.labels);
    /* The longest name that fits, and one that is a byte longer. */
    for (size_t i = 0; i < 2; i++) {
        project[STATS_SERIES_SIZE - sizeof("/web") + i] = '\0';
        c.labels = make_labels(project, "web", "1", NULL);
        claims.version = 0;
        stats_series_name(&claims, &host, &c, series);
        assert_int_equal(strlen(series), i == 0 ? STATS_SERIES_SIZE - 1 : strlen("long"));
        json_decref(c.labels);
        project[STATS_SERIES_SIZE - sizeof("/web") + i] = 'p';
    }
    free(c.name);
    series_claims_done(&claims);
}

/* --- rates ------------------------------------------------------------------------------------ */

static void test_rate_is_the_observed_growth(void **state)
{
    static const struct {
        struct rate_reading before, now;
        bool is_known;
        double expected;
    } cases[] = {
        {{0, 1000, NONE},  {10000, 21000, NONE},     true,  2000},
        {{0, 1000, 5},     {10000, 1000, 5},         true,  0   },
 /* it shrinks: it was restarted */
        {{0, 1000, NONE},  {10000, 500, NONE},       true,  50  },
 /* restarted, and grown beyond the last value */
        {{0, 1000, 5},     {10000, 3000, 6},         true,  300 },
        {{0, NONE, NONE},  {10000, 500, NONE},       false, 0   },
        {{0, 1000, NONE},  {10000, NONE, NONE},      false, 0   },
        {{0, 1000, NONE},  {25000, 3500, NONE},      true,  100 },
        {{0, 1000, NONE},  {25001, 3500, NONE},      false, 0   }, /* a gap */
        {{10000, 1, NONE}, {10000, 2, NONE},         false, 0   },
        {{20000, 1, NONE}, {10000, 2, NONE},         false, 0   },
        {{0, -1, NONE},    {10000, INT64_MAX, NONE}, false, 0   },
        {{0, 1, NONE},     {10000, -5, NONE},        false, 0   },
    };
    double rate;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool is_known = rate_between(&cases[i].before, &cases[i].now, rate_max_gap(10000), &rate);

        assert_int_equal(is_known, cases[i].is_known);
        if (is_known)
            assert_true(rate > cases[i].expected - 0.001 && rate < cases[i].expected + 0.001);
    }
    assert_int_equal(rate_max_gap(10000), 25000);
    assert_int_equal(rate_max_gap(3600000), 5400000);
}

static void sample_into(struct history_points *p, int64_t at_ms, int64_t rx, int64_t started)
{
    int64_t values[CONTAINER_METRICS];

    samples_clear_values(values, CONTAINER_METRICS);
    values[CONTAINER_NET_RX] = rx;
    values[CONTAINER_STARTED_AT] = started;
    history_points_add_sample(p, at_ms, values, CONTAINER_METRICS);
}

static void test_rates_of_points(void **state)
{
    const struct history_points_options o = {"web", 0, 100000, 10000,
                                             rate_columns("web", UINT64_C(1) << CONTAINER_NET_RX)};
    static const double expected[] = {-1, 100, -1, 50, -1, -1, -1, 7, 2, -1};
    struct history_points p;

    (void)state;
    assert_int_equal(history_points_init(&p, &o, NULL), 0);
    sample_into(&p, 0, 1000, 1);
    sample_into(&p, 10000, 2000, 1);
    sample_into(&p, 30000, 3000, 1); /* one missing step is not a gap */
    sample_into(&p, 60000, 9000, 1); /* two missing steps are */
    sample_into(&p, 70000, 70, 2);   /* restarted */
    sample_into(&p, 80000, 90, 2);
    for (size_t i = 0; i < p.n; i++) {
        double rate = -1;

        if (!rate_of_points(&p, i, CONTAINER_NET_RX, &rate))
            rate = -1;
        assert_true(rate > expected[i] - 0.001 && rate < expected[i] + 0.001);
    }
    history_points_done(&p);
}

static void test_counters_restart_when_the_host_boots(void **state)
{
    const struct history_points_options o = {"", 0, 40000, 10000,
                                             rate_columns("", UINT64_C(1) << HOST_NET_RX)};
    static const int64_t rx[] = {100, 200, 500, 700}, uptime[] = {50, 60, 5, NONE};
    static const double expected[] = {-1, 10, 50, 20};
    struct history_points p;

    (void)state;
    assert_int_equal(history_points_init(&p, &o, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(rx); i++) {
        int64_t values[HOST_METRICS];

        samples_clear_values(values, HOST_METRICS);
        values[HOST_NET_RX] = rx[i];
        values[HOST_UPTIME] = uptime[i];
        history_points_add_sample(&p, (int64_t)i * 10000, values, HOST_METRICS);
    }
    for (size_t i = 0; i < p.n; i++) {
        double rate = -1;

        if (!rate_of_points(&p, i, HOST_NET_RX, &rate))
            rate = -1;
        assert_true(rate > expected[i] - 0.001 && rate < expected[i] + 0.001);
    }
    history_points_done(&p);
}

/* --- series ----------------------------------------------------------------------------------- */

struct bench {
    struct loop *loop;
    struct fleet *fleet;
    struct fleet_host *host;
    struct stats *stats;
};

static int setup(void **state)
{
    struct bench *b = xcalloc(1, sizeof(*b));
    struct host row = {.id = (char *)(uintptr_t) "h"};

    clock_ms = NOW;
    if (loop_new(&b->loop, &(struct loop_options){0}, NULL) < 0)
        return -1;
    b->fleet = fleet_new();
    b->host = fleet_put_host(b->fleet, &row, NULL);
    b->stats = stats_new(
        &(struct stats_options){.loop = b->loop, .fleet = b->fleet, .utc_ms = fake_clock});
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    stats_free(b->stats);
    fleet_free(b->fleet);
    loop_free(b->loop);
    free(b);
    return 0;
}

static const char *make_id(char digit)
{
    static char ids[2][CONTAINER_ID_SIZE];
    static int i;
    char *id = ids[i++ % 2];

    memset(id, digit, CONTAINER_ID_LEN);
    return id;
}

static void send_list(struct bench *b, char digit, const char *name)
{
    char path[64];
    json_t *containers;

    (void)snprintf(path, sizeof(path), "/%s", name);
    containers = json_pack("[{s:s, s:[s], s:s, s:s, s:i}]", "Id", make_id(digit), "Names", path,
                           "Image", "i", "State", "running", "Created", 1);
    assert_int_equal(fleet_apply_snapshot(b->host, containers, NOW), 0);
    json_decref(containers);
}

static void send_sample(struct bench *b, char digit, int64_t at_ms, int64_t cpu)
{
    struct container_sample c = {.name = "told"};
    struct samples s = {.at_ms = at_ms, .containers = &c, .n_containers = 1, .has_host = true};

    str_copy(c.id, sizeof(c.id), make_id(digit));
    samples_clear_values(c.values, CONTAINER_METRICS);
    samples_clear_values(s.host.values, HOST_METRICS);
    c.values[CONTAINER_CPU] = cpu;
    s.host.values[HOST_CPU] = cpu + 1;
    fleet_notify_samples(b->fleet, b->host, &s);
}

static size_t count_rows(const struct stats_series *series)
{
    struct ring_reader reader;
    struct ring_row row;
    size_t n = 0;

    ring_read_start(&reader, &series->ring, INT64_MIN);
    while (ring_read_next(&reader, &row))
        n++;
    return n;
}

static void test_recreated_container_continues_its_series(void **state)
{
    struct bench *b = *state;
    const struct stats_series *series;

    assert_null(stats_find(b->stats, "h", make_id('a')));
    send_list(b, 'a', "web");
    send_sample(b, 'a', NOW - 1000, 10);
    send_list(b, 'b', "web");
    send_sample(b, 'b', NOW, 20);
    series = stats_find(b->stats, "h", make_id('b'));
    assert_non_null(series);
    assert_string_equal(series->series, "web");
    assert_int_equal(count_rows(series), 2);
    assert_int_equal(series->values[CONTAINER_CPU], 20);
    assert_null(stats_find(b->stats, "h", make_id('a')));

    series = stats_find(b->stats, "h", NULL);
    assert_non_null(series);
    assert_int_equal(series->values[HOST_CPU], 21);

    send_list(b, 'b', "other"); /* renamed: the samples in memory are kept */
    clock_ms += 1000;
    send_sample(b, 'b', clock_ms, 30);
    series = stats_find(b->stats, "h", make_id('b'));
    assert_string_equal(series->series, "other");
    assert_int_equal(count_rows(series), 3);
}

static void send_services(struct bench *b, const char *ids, const int *created)
{
    json_t *containers = json_array();

    for (size_t i = 0; ids[i]; i++) {
        char path[] = "/name-?";

        path[sizeof(path) - 2] = ids[i];
        (void)json_array_append_new(
            containers, json_pack("{s:s, s:[s], s:s, s:s, s:i, s:o}", "Id", make_id(ids[i]),
                                  "Names", path, "Image", "i", "State", "running", "Created",
                                  created[i], "Labels", make_labels("pay", "db", "1", NULL)));
    }
    assert_int_equal(fleet_apply_snapshot(b->host, containers, NOW), 0);
    json_decref(containers);
}

static void assert_series(struct bench *b, char digit, const char *series, int64_t cpu)
{
    const struct stats_series *s = stats_find(b->stats, "h", make_id(digit));
    char name[STATS_SERIES_SIZE];

    assert_non_null(s);
    assert_string_equal(s->series, series);
    assert_int_equal(s->values[CONTAINER_CPU], cpu);
    stats_name(b->stats, b->host, map_find(&b->host->containers, make_id(digit)), name);
    assert_string_equal(name, series);
}

/* The labels of 'a', which is older, are forged on 'b'. */
static void test_the_oldest_container_keeps_a_series_that_others_claim(void **state)
{
    static const int created[] = {5, 6};
    struct bench *b = *state;

    for (int round = 0; round < 2; round++) {
        send_services(b, "ab", created);
        send_sample(b, round ? 'a' : 'b', clock_ms, round ? 10 : 77); /* in any order */
        send_sample(b, round ? 'b' : 'a', clock_ms, round ? 77 : 10);
        assert_series(b, 'a', "pay/db", 10);
        assert_series(b, 'b', "name-b", 77);
        clock_ms += 1000;
    }
    /* Compose has replaced 'a' by 'b'. */
    send_services(b, "b", created + 1);
    send_sample(b, 'b', clock_ms, 78);
    assert_series(b, 'b', "pay/db", 78);
}

/* 'b' takes the name of 'a', which has not sent a sample since it was renamed. */
static void test_a_name_takes_over_no_container_that_exists(void **state)
{
    struct bench *b = *state;
    json_t *containers;

    send_list(b, 'a', "web");
    send_sample(b, 'a', NOW, 10);
    containers = json_pack("[{s:s, s:[s], s:s}, {s:s, s:[s], s:s}]", "Id", make_id('a'), "Names",
                           "/web-old", "State", "running", "Id", make_id('b'), "Names", "/web",
                           "State", "running");
    assert_int_equal(fleet_apply_snapshot(b->host, containers, NOW), 0);
    json_decref(containers);
    send_sample(b, 'b', NOW, 77);
    assert_non_null(stats_find(b->stats, "h", make_id('a')));
    assert_int_equal(stats_find(b->stats, "h", make_id('a'))->values[CONTAINER_CPU], 10);
    send_sample(b, 'a', NOW + 1, 11);
    assert_series(b, 'b', "web", 77);
}

static void test_unlisted_container_is_named_by_its_sample(void **state)
{
    struct bench *b = *state;

    send_sample(b, 'a', NOW, 10);
    assert_string_equal(stats_find(b->stats, "h", make_id('a'))->series, "told");
    send_list(b, 'a', "web");
    send_sample(b, 'a', NOW, 10);
    assert_string_equal(stats_find(b->stats, "h", make_id('a'))->series, "web");
}

static void test_late_samples_are_not_live(void **state)
{
    struct bench *b = *state;

    send_list(b, 'a', "web");
    send_sample(b, 'a', NOW - 60001, 10);
    assert_null(stats_find(b->stats, "h", make_id('a')));
    assert_null(stats_find(b->stats, "h", NULL));
    send_sample(b, 'a', NOW - 60000, 10);
    assert_int_equal(stats_find(b->stats, "h", make_id('a'))->at_ms, NOW - 60000);
    send_sample(b, 'a', NOW + 3600000, 10); /* the clock of the agent is certainly wrong */
    assert_int_equal(stats_find(b->stats, "h", make_id('a'))->at_ms, NOW);
}

/* --- history ---------------------------------------------------------------------------------- */

static void send_batch(struct fleet *f, const struct fleet_host *h, uint64_t epoch, uint64_t seq)
{
    struct samples s = {.epoch = epoch, .seq = seq, .at_ms = NOW - 30000, .has_host = true};

    samples_clear_values(s.host.values, HOST_METRICS);
    s.host.values[HOST_CPU] = 1;
    fleet_notify_samples(f, h, &s);
}

/* The samples of a batch and its position are written together. */
static void test_position_is_written_with_its_samples(void **state)
{
    const struct fixture *f = *state;
    struct host row = {.id = (char *)(uintptr_t) "h"};
    struct fleet *fleet = fleet_new();
    const struct fleet_host *h = fleet_put_host(fleet, &row, NULL);
    struct history_position at;
    struct history *history;
    struct stats *stats;
    struct loop *loop;

    clock_ms = NOW;
    assert_int_equal(loop_new(&loop, &(struct loop_options){0}, NULL), 0);
    history = history_new(
        &(struct history_options){.loop = loop, .dir = f->dir, .utc_ms = fake_clock});
    assert_non_null(history);
    stats = stats_new(&(struct stats_options){
        .loop = loop, .fleet = fleet, .history = history, .utc_ms = fake_clock});
    send_batch(fleet, h, 7, 3);
    send_batch(fleet, h, 0, 0); /* an agent of the old protocol sends no position */
    assert_false(history_position(history, "h", &at));
    history_stop(history);
    assert_true(history_position(history, "h", &at));
    assert_int_equal(at.epoch, 7);
    assert_int_equal(at.seq, 3);
    assert_int_equal(history_state(history).code, 0);
    stats_free(stats);
    history_free(history);
    fleet_free(fleet);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_series_is_named_by_what_outlives_a_container),
        cmocka_unit_test(test_rate_is_the_observed_growth),
        cmocka_unit_test(test_rates_of_points),
        cmocka_unit_test(test_counters_restart_when_the_host_boots),
        cmocka_unit_test_setup_teardown(test_recreated_container_continues_its_series, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_the_oldest_container_keeps_a_series_that_others_claim,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_name_takes_over_no_container_that_exists, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_unlisted_container_is_named_by_its_sample, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_late_samples_are_not_live, setup, teardown),
        cmocka_unit_test_setup_teardown(test_position_is_written_with_its_samples,
                                        fixture_setup_empty, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
