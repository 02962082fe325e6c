#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "server/api/call.h"
#include "server/api/prometheus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define NONE METRIC_NONE

struct bench {
    struct loop *loop;
    struct api api;
    struct fleet_host *host;
};

static struct fleet_host *put_host(struct fleet *fleet, const char *id, const char *name)
{
    struct host row = {.id = (char *)(uintptr_t)id, .name = (char *)(uintptr_t)name};
    struct fleet_host *h = fleet_put_host(fleet, &row, NULL);

    fleet_set_online(fleet, h, true, time_utc_ms());
    return h;
}

static int64_t behind_ms; /* age of the samples that are added */

static int64_t clock_of_stats(void)
{
    return time_utc_ms() - behind_ms;
}

static int setup(void **state)
{
    struct bench *b = xcalloc(1, sizeof(*b));

    behind_ms = 0;

    if (loop_new(&b->loop, &(struct loop_options){0}, NULL) < 0)
        return -1;
    b->api.o.fleet = fleet_new();
    b->api.o.stats = stats_new(&(struct stats_options){
        .loop = b->loop, .fleet = b->api.o.fleet, .utc_ms = clock_of_stats});
    b->host = put_host(b->api.o.fleet, "h", "alpha");
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    stats_free(b->api.o.stats);
    fleet_free(b->api.o.fleet);
    loop_free(b->loop);
    free(b);
    return 0;
}

/* Returns a list element with an id of one repeated digit. */
static json_t *element(char digit, const char *name, const char *state)
{
    _cleanup_free_ char *path = xasprintf("/%s", name);
    char id[CONTAINER_ID_SIZE] = "";

    memset(id, digit, CONTAINER_ID_LEN);
    return json_pack("{s:s, s:[s], s:s, s:s, s:i}", "Id", id, "Names", path, "Image", "i", "State",
                     state, "Created", digit);
}

static void list(struct bench *b, json_t *containers /* takes ownership */)
{
    size_t n = json_array_size(containers);

    assert_int_equal(fleet_apply_snapshot(b->host, containers, time_utc_ms()), 0);
    assert_int_equal(b->host->containers.size, n);
    json_decref(containers);
}

static void add_sample(struct bench *b, char digit, int64_t at_ms, size_t metric, int64_t value)
{
    struct container_sample c = {.name = "x"};
    struct samples s = {.at_ms = at_ms, .containers = &c, .n_containers = 1, .has_host = true};

    memset(c.id, digit, CONTAINER_ID_LEN);
    samples_clear_values(c.values, CONTAINER_METRICS);
    samples_clear_values(s.host.values, HOST_METRICS);
    c.values[metric] = value;
    fleet_notify_samples(b->api.o.fleet, b->host, &s);
}

/* Returns the whole output, written in slices of `slice` bytes. */
static char *write_all(struct bench *b, size_t slice)
{
    const struct scope all = {0};
    struct buf out = BUF_INIT(1 << 20);
    struct exposition e;

    exposition_init(&e, &b->api, &all);
    for (size_t before = 0; exposition_write(&e, slice, &out); before = out.size)
        assert_true(out.size - before >= slice);
    exposition_done(&e);
    return buf_take(&out);
}

static size_t n_lines(const char *text, const char *begin)
{
    size_t n = 0;

    for (const char *p = text; p; p = strchr(p, '\n')) {
        p += p > text;
        n += str_starts_with(p, begin);
        if (!*p)
            break;
    }
    return n;
}

static void assert_has(const char *text, const char *line)
{
    if (!strstr(text, line))
        fail_msg("no %s in\n%s", line, text);
}

/* Label values, as they are exported. */
static void test_label_values_are_escaped_and_cut(void **state)
{
    char long_text[300], long_umlauts[300];
    const struct {
        const char *value, *written;
    } cases[] = {
        {"plain",            "plain"           },
        {"",                 ""                },
        {"a\"b\\c\nd",       "a\\\"b\\\\c\\nd" },
        {"\"",               "\\\""            },
        {"\\n",              "\\\\n"           },
        {"tab\tand\rreturn", "tab\tand\rreturn"}, /* the format has no other escape sequences */
        {"\xc3\xbc{},= #",   "\xc3\xbc{},= #"  },
        {long_text,          NULL              },
        {long_umlauts,       NULL              },
    };

    memset(long_text, 'x', sizeof(long_text));
    str_copy(long_text + 250, 50, "123\"5678");
    for (size_t i = 0; i + 1 < sizeof(long_umlauts); i++)
        long_umlauts[i] = i % 2 ? '\xbc' : '\xc3';
    long_umlauts[298] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = *state;
        _cleanup_free_ char *text = NULL, *line = NULL;
        json_t *c = element('1', "web", "running");

        (void)json_object_set_new(c, "Image", json_string(cases[i].value));
        list(b, json_pack("[o]", c));
        text = write_all(b, 1);
        if (cases[i].value == long_text) {
            line = xasprintf("image=\"%.250s123\\\"5\"} 1\n",
                             long_text); /* 255 bytes before escaping */
        } else if (cases[i].value == long_umlauts) {
            line = xasprintf("image=\"%.254s\"} 1\n",
                             long_umlauts); /* not cut inside a character */
        } else {
            line = xasprintf("image=\"%s\"} 1\n", cases[i].written);
        }
        assert_has(text, line);
    }
}

static void test_compose_labels_are_exported_or_empty(void **state)
{
    struct bench *b = *state;
    _cleanup_free_ char *text = NULL;
    json_t *c = element('1', "web", "paused");

    (void)json_object_set_new(c, "Image", json_null());
    (void)json_object_set_new(c, "Labels",
                              json_pack("{s:s, s:i}", "com.docker.compose.project", "p\"",
                                        "com.docker.compose.service", 5));
    list(b, json_pack("[o]", c));
    text = write_all(b, 1);
    assert_has(text, "dockmon_container_running{host_id=\"h\",host=\"alpha\",container=\"web\","
                     "image=\"\",compose_project=\"p\\\"\"} 0\n");
}

/* Extreme and unknown values: an unknown value is never exported as 0, NaN or Inf. */
static void test_values_are_exported_or_absent(void **state)
{
    static const struct {
        size_t metric;
        int64_t value;
        const char *line; /* after the labels; NULL: the line is absent */
        const char *name;
    } cases[] = {
        {CONTAINER_CPU,                12345,                    "1.2345",               "cpu_cores"                  },
        {CONTAINER_CPU,                0,                        "0",                    "cpu_cores"                  },
        {CONTAINER_CPU,                NONE,                     NULL,                   "cpu_cores"                  },
        {CONTAINER_CPU,                INT64_MAX,                "922337203685478",      "cpu_cores"                  },
        {CONTAINER_CPU_TIME,           1,                        "1e-06",                "cpu_seconds_total"          },
        {CONTAINER_CPU_THROTTLED,      7,                        "7",                    "cpu_throttled_periods_total"},
        {CONTAINER_CPU_THROTTLED_TIME, 2500000,                  "2.5",                  "cpu_throttled_seconds_total"},
        {CONTAINER_MEM_USED,           INT64_MAX,                "9.22337203685478e+18", "memory_used_bytes"          },
        {CONTAINER_MEM_LIMIT,          INT64_C(999999999999999), "999999999999999",      "memory_limit_bytes"         },
        {CONTAINER_NET_RX,             -1,                       "-1",                   "network_receive_bytes_total"},
        {CONTAINER_PSI_IO_FULL,        10000,                    "1",                    "pressure_io_full_ratio"     },
        {CONTAINER_STARTED_AT,         INT64_C(1763900000500),   "1763900000.5",         "start_time_seconds"         },
    };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *text = NULL, *line = NULL, *name = NULL;

        list(b, json_pack("[o]", element('1', "web", "running")));
        add_sample(b, '1', time_utc_ms() - 30000 + 1000 * (int64_t)i, cases[i].metric,
                   cases[i].value);
        text = write_all(b, 100);
        name = xasprintf("dockmon_container_%s{", cases[i].name);
        line = xasprintf(
            "dockmon_container_%s{host_id=\"h\",host=\"alpha\",container=\"web\",image=\"i\"} %s\n",
            cases[i].name, cases[i].line);
        assert_int_equal(n_lines(text, name), cases[i].line ? 1 : 0);
        if (cases[i].line)
            assert_has(text, line);
        assert_null(strcasestr(text, "} nan"));
        assert_null(strcasestr(text, "inf\n"));
    }
}

/* State, health, exit code and OOM kills of a container; unknown ones are absent. */
static void test_conditions_are_exported_or_absent(void **state)
{
    static const struct {
        const char *state, *status;
        int oom; /* negative: the element has none */
        const char *name, *health, *code, *oom_killed;
    } cases[] = {
        {"running",    "Up 5 minutes",                   -1, "running",    NULL, NULL,  NULL},
        {"running",    "Up 5 minutes (healthy)",         0,  "running",    "1",  NULL,  "0" },
        {"paused",     "Up 5 minutes (Paused)",          -1, "paused",     "1",  NULL,  "0" },
        {"running",    "Up 5 minutes (unhealthy)",       -1, "running",    "0",  NULL,  "0" },
        {"exited",     "Exited (137) 2 minutes ago",     1,  "exited",     NULL, "137", "1" },
        {"restarting", "Restarting (2) 2 seconds ago",   -1, "restarting", NULL, "2",   "1" },
        {"running",    "Up 1 second (health: starting)", 0,  "running",    NULL, "2",   "0" },
        {"dead",       "Dead",                           -1, "exited",     NULL, "2",   "0" },
    };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct {
            const char *family, *value;
        } expected[] = {
            {"health",         cases[i].health    },
            {"last_exit_code", cases[i].code      },
            {"oom_killed",     cases[i].oom_killed},
        };
        json_t *c = element('1', "web", cases[i].state);
        _cleanup_free_ char *text = NULL, *named = NULL;

        (void)json_object_set_new(c, "Status", json_string(cases[i].status));
        if (cases[i].oom >= 0)
            (void)json_object_set_new(c, "OOMKilled", json_boolean(cases[i].oom));
        list(b, json_pack("[o]", c));
        text = write_all(b, 1);
        named = xasprintf("dockmon_container_state{host_id=\"h\",host=\"alpha\",container=\"web\","
                          "image=\"i\",state=\"%s\"} 1\n",
                          cases[i].name);
        assert_has(text, named);
        assert_int_equal(n_lines(text, "dockmon_container_state{"), 1);
        for (size_t k = 0; k < ARRAY_LEN(expected); k++) {
            _cleanup_free_ char *name = xasprintf("dockmon_container_%s{", expected[k].family);
            _cleanup_free_ char *line = xasprintf(
                "%shost_id=\"h\",host=\"alpha\",container=\"web\",image=\"i\"} %s\n", name,
                expected[k].value ? expected[k].value : "-");

            if (n_lines(text, name) != (expected[k].value ? 1 : 0))
                fail_msg("case %zu: %s in\n%s", i, name, text);
            if (expected[k].value)
                assert_has(text, line);
        }
    }
    fleet_set_online(b->api.o.fleet, b->host, false, time_utc_ms());
    {
        _cleanup_free_ char *away = write_all(b, 1);

        assert_int_equal(n_lines(away, "dockmon_container_"), 0);
    }
}

/* Two containers of one name in a list, as after a rename: a series must not occur twice. */
static void test_a_duplicate_name_is_exported_once(void **state)
{
    static const struct {
        const char *states[3]; /* of the containers 1, 2 and 3, which are named web; NULL: absent */
        char shown;
    } cases[] = {
        {{"running", NULL, NULL},           '1'},
        {{"running", "exited", NULL},       '1'},
        {{"exited", "running", NULL},       '2'},
        {{"exited", "exited", NULL},        '2'}, /* the newest wins */
        {{"running", "running", "running"}, '3'},
        {{"exited", "running", "exited"},   '2'},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = *state;
        _cleanup_free_ char *text = NULL, *line = NULL;
        json_t *containers = json_pack("[o]", element('9', "other", "running"));

        for (size_t k = 0; k < 3 && cases[i].states[k]; k++) {
            (void)json_array_append_new(containers,
                                        element((char)('1' + k), "web", cases[i].states[k]));
        }
        list(b, containers);
        add_sample(b, cases[i].shown, time_utc_ms() - 30000 + 1000 * (int64_t)i, CONTAINER_PIDS,
                   1 + (int64_t)i);
        text = write_all(b, 1 << 16);
        assert_int_equal(
            n_lines(text,
                    "dockmon_container_running{host_id=\"h\",host=\"alpha\",container=\"web\""),
            1);
        line = xasprintf(
            "dockmon_container_processes{host_id=\"h\",host=\"alpha\",container=\"web\",image=\"i\"} %zu\n",
            i + 1);
        assert_has(text, line);
        assert_int_equal(n_lines(text, "dockmon_container_running{"), 2);
    }
}

static void test_old_samples_and_offline_hosts_are_omitted(void **state)
{
    struct bench *b = *state;
    _cleanup_free_ char *late = NULL, *newer = NULL, *away = NULL;

    list(b, json_pack("[o]", element('1', "web", "running")));
    behind_ms = 61000;
    add_sample(b, '1', clock_of_stats(), CONTAINER_PIDS, 5);
    late = write_all(b, 1);
    behind_ms = 30000;
    add_sample(b, '1', clock_of_stats(), CONTAINER_PIDS, 5);
    newer = write_all(b, 1);
    assert_int_equal(n_lines(newer, "dockmon_container_processes{"), 1);
    assert_int_equal(n_lines(late, "dockmon_container_processes{"), 0);
    assert_int_equal(n_lines(late, "dockmon_container_running{"), 1);
    fleet_set_online(b->api.o.fleet, b->host, false, time_utc_ms());
    away = write_all(b, 1);
    assert_has(away, "dockmon_host_up{host_id=\"h\",host=\"alpha\"} 0\n");
    assert_int_equal(n_lines(away, "dockmon_container_running{"), 0);
}

static void test_sums_of_containers_are_marked(void **state)
{
    struct bench *b = *state;
    struct fleet_sample s = {.sampled_at_ms = time_utc_ms(), .is_derived = true};
    _cleanup_free_ char *none = write_all(b, 1), *derived = NULL, *measured = NULL;

    assert_int_equal(n_lines(none, "dockmon_host_metrics_derived{"), 0);
    fleet_put_host_sample(b->host, &s);
    derived = write_all(b, 1);
    assert_has(derived, "dockmon_host_metrics_derived{host_id=\"h\",host=\"alpha\"} 1\n");
    s.is_derived = false;
    fleet_put_host_sample(b->host, &s);
    measured = write_all(b, 1);
    assert_has(measured, "dockmon_host_metrics_derived{host_id=\"h\",host=\"alpha\"} 0\n");
}

/* A host is removed while the output is written. Each family has one head, wherever slices end. */
static void test_slices_do_not_change_the_output(void **state)
{
    struct bench *b = *state;
    const struct scope all = {0};
    struct buf out = BUF_INIT(1 << 20);
    _cleanup_free_ char *whole = NULL, *small = NULL;
    struct exposition e;

    (void)put_host(b->api.o.fleet, "h2", "beta");
    list(b, json_pack("[o]", element('1', "web", "running")));
    whole = write_all(b, 1 << 16);
    small = write_all(b, 1);
    assert_string_equal(whole, small);
    assert_int_equal(n_lines(whole, "dockmon_host_up{"), 2);
    assert_int_equal(n_lines(whole, "# TYPE dockmon_host_up gauge"), 1);
    assert_int_equal(n_lines(whole, "# TYPE "), n_lines(whole, "# HELP "));
    exposition_init(&e, &b->api, &all);
    assert_true(exposition_write(&e, 1, &out));
    fleet_remove_host(b->api.o.fleet, "h");
    fleet_remove_host(b->api.o.fleet, "h2");
    while (exposition_write(&e, 1, &out)) {}
    exposition_done(&e);
    assert_int_equal(n_lines(buf_str(&out), "dockmon_container_"), 0);
    buf_done(&out);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_label_values_are_escaped_and_cut),
        TEST(test_compose_labels_are_exported_or_empty),
        TEST(test_values_are_exported_or_absent),
        TEST(test_conditions_are_exported_or_absent),
        TEST(test_a_duplicate_name_is_exported_once),
        TEST(test_sums_of_containers_are_marked),
        TEST(test_old_samples_and_offline_hosts_are_omitted),
        TEST(test_slices_do_not_change_the_output),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
