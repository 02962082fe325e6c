#include "server/feed/feed_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "proto/samples.h"
#include "server/fleet/fleet_listener.h"
#include "server/view/fleet_json.h"

static unsigned n_warnings;
void __wrap_log_write(enum log_level level, const char *const *fields, const char *format, ...);

void __wrap_log_write(enum log_level level, const char *const *fields, const char *format, ...)
{
    (void)fields;
    (void)format;
    n_warnings += level == LOG_LEVEL_WARN;
}

/* Counts the lists that are written. */
static unsigned n_host_lists;
static unsigned list_takes_ms;
bool __real_fleet_hosts_write_in(struct buf *, const struct fleet *, const struct scope *, size_t);
bool __wrap_fleet_hosts_write_in(struct buf *, const struct fleet *, const struct scope *, size_t);

bool __wrap_fleet_hosts_write_in(struct buf *out,
                                 const struct fleet *f,
                                 const struct scope *scope,
                                 size_t max)
{
    n_host_lists++;
    (void)nanosleep(&(struct timespec){.tv_nsec = (long)list_takes_ms * 1000000}, NULL);
    return __real_fleet_hosts_write_in(out, f, scope, max);
}

/* --- clients that do not subscribe ------------------------------------------------------------ */

static const json_t *get_data(const json_t *m, const char *name)
{
    return json_object_get(json_object_get(m, "data"), name);
}

static struct ws *dial_plain(struct fixture *f)
{
    feed_fixture_subscribes_first = false;
    return feed_fixture_dial(f);
}

/* A client that announces subscriptions gets nothing before its first one. */
static void test_announced_subscriber_gets_no_lists(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = feed_fixture_dial(f);

    feed_fixture_put_containers(f, json_pack("[o]", feed_fixture_element(ID_A, "/web", "x")));
    fake_advance(0);
    fake_advance(10000);
    assert_null(fake_ws_next(ws));
    fake_ws_end(ws, 1000);
}

static void test_lists_are_sent_while_somebody_watches(void **state)
{
    struct fixture *f = *state;
    size_t n_timers = fake_timers_running();
    struct ws *ws = dial_plain(f);
    const json_t *m, *settings;

    fake_advance(0);
    m = feed_fixture_expect(ws, "initial_state");
    settings = get_data(m, "settings");
    assert_int_equal(json_integer_value(json_object_get(settings, "timezone_offset")), 60);
    assert_int_equal(json_integer_value(json_object_get(settings, "polling_interval")), 2);
    assert_true(json_is_null(json_object_get(get_data(m, "blackout"), "window_name")));
    (void)feed_fixture_expect(ws, "containers_update");
    assert_null(fake_ws_next(ws));
    fake_advance(1900);
    assert_null(fake_ws_next(ws));
    fake_advance(300); /* nothing has changed */
    (void)feed_fixture_expect(ws, "containers_update");
    fake_advance(2100);
    (void)feed_fixture_expect(ws, "containers_update");
    assert_null(fake_ws_next(ws));
    fake_ws_end(ws, 1000);
    n_host_lists = 0;
    fake_advance(10000);
    assert_int_equal(n_host_lists, 0);
    assert_int_equal(fake_timers_running(), n_timers);
}

/* The time of this list is real, that of the timers is not. */
static void test_lists_that_take_long_are_sent_less_often(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = dial_plain(f);

    fake_advance(0);
    (void)feed_fixture_expect(ws, "initial_state");
    (void)feed_fixture_expect(ws, "containers_update");
    list_takes_ms = 400;
    fake_advance(2200);
    list_takes_ms = 0;
    (void)feed_fixture_expect(ws, "containers_update");
    feed_fixture_put_containers(f, json_array()); /* a change is no reason for an earlier one */
    fake_advance(3000);
    assert_null(fake_ws_next(ws));
    fake_advance(1000);
    (void)feed_fixture_expect(ws, "containers_update");
    fake_ws_end(ws, 1000);
}

static char *make_text(size_t size)
{
    char *text = xcalloc(1, size + 1);

    memset(text, 'x', size);
    return text;
}

static const json_t *expect_list(struct ws *ws, bool is_truncated)
{
    const json_t *m = feed_fixture_expect(ws, "initial_state");

    assert_int_equal(json_is_true(get_data(m, "truncated")), is_truncated);
    m = feed_fixture_expect(ws, "containers_update");
    assert_int_equal(json_is_true(get_data(m, "truncated")), is_truncated);
    return m;
}

static void test_hosts_beyond_the_maximum_are_left_out(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = dial_plain(f), *late;
    const json_t *m;

    fake_advance(0);
    assert_int_equal(json_array_size(get_data(expect_list(ws, false), "hosts")), 1);
    fake_ws_end(ws, 1000);
    n_warnings = 0;
    for (int i = 0; i < 10; i++) {
        char id[16];
        struct fleet_host *h;

        (void)snprintf(id, sizeof(id), "m%d", i);
        h = feed_fixture_put_host(f, id);
        free(h->row.description);
        h->row.description = make_text((size_t)600 << 10);
    }
    late = dial_plain(f);
    fake_advance(500); /* lists are at least as far apart as nine times the time that one takes */
    m = expect_list(late, true);
    assert_int_equal(json_array_size(get_data(m, "hosts")),
                     7); /* 6 of 600 KiB, and the first one */
    assert_int_equal(json_array_size(get_data(m, "containers")), 2);
    assert_int_equal(n_warnings, 1); /* of two lists */
    fake_ws_end(late, 1000);
}

static void test_containers_beyond_their_share_are_left_out_first(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *text = make_text((size_t)900 << 10);
    json_t *list = json_pack("[o]", feed_fixture_element(ID_A, "small", "x"));
    struct ws *ws;
    const json_t *m;

    for (int i = 0; i < 16; i++) {
        char id[] = ID_B;

        id[0] = "0123456789abcdef"[i];
        (void)json_array_append_new(list, feed_fixture_large_element(id, "large", text));
    }
    feed_fixture_put_containers(f, list);
    ws = dial_plain(f);
    fake_advance(0);
    m = expect_list(ws, true);
    assert_int_equal(json_array_size(get_data(m, "containers")), 1);
    assert_string_equal(json_text_get(json_array_get(get_data(m, "containers"), 0), "name"),
                        "small");
    fake_ws_end(ws, 1000);
}

static void test_metrics_of_hosts_have_a_maximum(void **state)
{
    struct fixture *f = *state;
    struct fleet_sample s = {.sampled_at_ms = 1000};
    struct ws *ws;
    size_t n;

    for (int i = 0; i < 20; i++) {
        _cleanup_free_ char *id = make_text((size_t)40 << 10);

        id[0] = (char)('a' + i);
        fleet_put_host_sample(feed_fixture_put_host(f, id), &s);
    }
    ws = dial_plain(f);
    fake_advance(0);
    n = json_object_size(get_data(expect_list(ws, false), "host_metrics"));
    assert_int_equal(n, 13); /* the one that exceeds 512 KiB is the last */
    fake_ws_end(ws, 1000);
}

static void test_clients_with_the_same_rights_share_a_list(void **state)
{
    struct fixture *f = *state;
    struct ws *ws[4];

    for (size_t i = 0; i < 2; i++)
        ws[i] = dial_plain(f);
    feed_fixture_limit_to("label=team=x");
    for (size_t i = 2; i < 4; i++)
        ws[i] = dial_plain(f);
    n_host_lists = 0;
    fake_advance(0);
    assert_int_equal(n_host_lists, 4); /* initial_state and containers_update of both scopes */
    fake_advance(2100);
    assert_int_equal(n_host_lists, 6);
    for (size_t i = 0; i < 4; i++) {
        for (unsigned k = 0; k < 3; k++) {
            const json_t *m = feed_fixture_expect(ws[i],
                                                  k == 0 ? "initial_state" : "containers_update");

            assert_int_equal(json_array_size(get_data(m, "containers")), i < 2 ? 2 : 1);
        }
        fake_ws_end(ws[i], 1000);
    }
}

/* Puts a sample of a, b and the host into the model and the series. */
static void put_samples(struct fixture *f, int64_t at_ms, int64_t n)
{
    struct container_sample c[] = {{.name = "a"}, {.name = "b"}};
    struct samples batch = {.at_ms = at_ms, .has_host = true, .containers = c, .n_containers = 2};
    struct fleet_sample s = {.sampled_at_ms = at_ms, .cpu_percent = 12.5, .memory_usage = 77};

    str_copy(c[0].id, sizeof(c[0].id), ID_A);
    str_copy(c[1].id, sizeof(c[1].id), ID_B);
    samples_clear_values(batch.host.values, HOST_METRICS);
    batch.host.values[HOST_CPU] = 1000;
    for (size_t i = 0; i < 2; i++) {
        samples_clear_values(c[i].values, CONTAINER_METRICS);
        c[i].values[CONTAINER_CPU] = 100 * n + 50;
        c[i].values[CONTAINER_NET_RX] = c[i].values[CONTAINER_NET_TX] = 1000 * n;
    }
    fleet_put_host_sample(f->h, &s);
    fleet_notify_samples(f->fleet, f->h, &batch);
}

static double get_point(const json_t *line, const char *name, size_t i)
{
    return json_number_value(json_array_get(json_object_get(line, name), i));
}

static void test_lists_have_samples_and_sparklines(void **state)
{
    struct fixture *f = *state;
    int64_t now_ms = time_utc_ms();
    struct ws *ws, *scoped;
    const json_t *m, *line, *metrics;

    for (int64_t i = 0; i < 45; i++)
        put_samples(f, now_ms - (45 - i) * 1000, i);
    ws = dial_plain(f);
    feed_fixture_limit_to("label=team=x");
    scoped = dial_plain(f);
    fake_advance(0);
    (void)feed_fixture_expect(ws, "initial_state");
    m = feed_fixture_expect(ws, "containers_update");
    metrics = json_object_get(get_data(m, "host_metrics"), "h");
    assert_int_equal(json_integer_value(json_object_get(metrics, "mem_bytes")), 77);
    line = json_object_get(get_data(m, "container_sparklines"), "h:" A12);
    assert_int_equal(feed_fixture_count_elements(line, "cpu"), 30);
    assert_true(get_point(line, "cpu", 0) > 15.49 && get_point(line, "cpu", 0) < 15.51);
    assert_true(get_point(line, "cpu", 29) > 44.49 && get_point(line, "cpu", 29) < 44.51);
    assert_int_equal(get_point(line, "net", 0), 2000);
    assert_int_equal(feed_fixture_count_elements(line, "mem"), 30);
    assert_true(json_is_null(json_array_get(json_object_get(line, "mem"), 0))); /* no limit */
    assert_int_equal(json_object_size(get_data(m, "container_sparklines")), 2);
    assert_int_equal(get_point(json_object_get(get_data(m, "host_sparklines"), "h"), "cpu", 29),
                     10);

    /* The samples of the host tell about all containers. */
    (void)feed_fixture_expect(scoped, "initial_state");
    m = feed_fixture_expect(scoped, "containers_update");
    assert_int_equal(json_object_size(get_data(m, "host_metrics")), 0);
    assert_int_equal(json_object_size(get_data(m, "host_sparklines")), 0);
    assert_int_equal(json_object_size(get_data(m, "container_sparklines")), 1);
    assert_non_null(json_object_get(get_data(m, "container_sparklines"), "h:" A12));
    fake_ws_end(ws, 1000);
    fake_ws_end(scoped, 1000);
}

static void test_unknown_values_of_container_stats_are_null(void **state)
{
    struct fixture *f = *state;
    struct ws *ws = dial_plain(f);
    struct fleet_sample s = {.sampled_at_ms = 1000};
    const json_t *stats;

    fake_advance(0);
    (void)feed_fixture_expect(ws, "initial_state");
    (void)feed_fixture_expect(ws, "containers_update");
    fake_ws_receive_json(ws,
                         json_pack("{s:s, s:s}", "type", "subscribe_stats", "container_id", A12));
    fleet_sample_clear(&s);
    s.cpu_percent = 3;
    assert_true(fleet_put_sample(f->h, 0, ID_A, &s));
    fleet_notify_samples(f->fleet, f->h, &(struct samples){0});
    fake_advance(TICK_MS);
    stats = json_object_get(feed_fixture_expect(ws, "container_stats"), "stats");
    assert_true(json_number_value(json_object_get(stats, "cpu_percent")) > 2.9);
    assert_true(json_is_null(json_object_get(stats, "memory_usage")));
    assert_true(json_is_null(json_object_get(stats, "network_rx")));
    fake_ws_end(ws, 1000);
}

static void test_listed_hosts_are_in_scope_of_a_client(void **state)
{
    struct fixture *f = *state;
    struct fleet_host *other = feed_fixture_put_host(f, "other");
    struct ws *ws;

    assert_false(feed_is_listed(f->feed, f->h));
    feed_fixture_limit_to("host=h");
    ws = dial_plain(f);
    assert_int_equal(f->n_watched, 1);
    assert_true(feed_is_listed(f->feed, f->h));
    assert_false(feed_is_listed(f->feed, other));
    for (int i = 0; i < 500; i++) { /* too many to sample for lists */
        char id[16];

        (void)snprintf(id, sizeof(id), "m%d", i);
        (void)feed_fixture_put_host(f, id);
    }
    assert_false(feed_is_listed(f->feed, f->h));
    fake_ws_end(ws, 1000);
    assert_int_equal(f->n_watched, 2);
}

#define WITH_FIXTURE(test) \
    cmocka_unit_test_setup_teardown(test, feed_fixture_setup, feed_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_announced_subscriber_gets_no_lists),
        WITH_FIXTURE(test_lists_are_sent_while_somebody_watches),
        WITH_FIXTURE(test_lists_that_take_long_are_sent_less_often),
        WITH_FIXTURE(test_hosts_beyond_the_maximum_are_left_out),
        WITH_FIXTURE(test_containers_beyond_their_share_are_left_out_first),
        WITH_FIXTURE(test_metrics_of_hosts_have_a_maximum),
        WITH_FIXTURE(test_clients_with_the_same_rights_share_a_list),
        WITH_FIXTURE(test_lists_have_samples_and_sparklines),
        WITH_FIXTURE(test_unknown_values_of_container_stats_are_null),
        WITH_FIXTURE(test_listed_hosts_are_in_scope_of_a_client),
    };

    return cmocka_run_group_tests_name("full-list", tests, NULL, NULL);
}
