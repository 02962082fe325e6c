#include "base/buf.h"
#include "server/auth/fixture.h"
#include "server/logs/readings.h"
#include "server/store/audit.h"

#include <stdio.h>

static uint64_t clock_ms(void)
{
    return bench_clock_ms;
}

static struct log_readings readings_of(struct bench *b)
{
    struct log_readings r;

    log_readings_init(&r, b->f->store, b->store_jobs);
    r.clock_ms = clock_ms;
    return r;
}

static void append_entry(void *arg, const struct audit_entry *e)
{
    assert_string_equal(e->action, "logs_read");
    assert_string_equal(e->result, "ok");
    assert_int_equal(buf_printf(arg, "%s@%s %s;", e->who, e->peer, e->target), 0);
}

static void assert_rows(struct bench *b, const char *rows)
{
    struct buf text = BUF_INIT(1000);

    bench_drain(b);
    assert_int_equal(audit_list(b->f->store, &(struct audit_query){.page.limit = 100}, append_entry,
                                &text, NULL, NULL),
                     0);
    assert_string_equal(buf_str(&text), rows);
    buf_done(&text);
}

static void who_reads_on_is_told_of_once(void **state)
{
    struct bench *b = *state;
    struct log_readings r = readings_of(b);

    for (int i = 0; i < 10; i++)
        log_readings_add(&r, "ann", "10.0.0.1", "alpha/web");
    assert_rows(b, "ann@10.0.0.1 alpha/web;");

    bench_clock_ms += LOG_READINGS_PERIOD_MS - 1;
    log_readings_add(&r, "ann", "10.0.0.1", "alpha/web");
    assert_rows(b, "ann@10.0.0.1 alpha/web;");
    bench_clock_ms += 1;
    log_readings_add(&r, "ann", "10.0.0.1", "alpha/web");
    log_readings_add(&r, "ann", "10.0.0.1", "alpha/web");
    assert_rows(b, "ann@10.0.0.1 alpha/web;ann@10.0.0.1 alpha/web;");
    log_readings_done(&r);
}

static void others_and_other_logs_are_told_of(void **state)
{
    struct bench *b = *state;
    struct log_readings r = readings_of(b);

    log_readings_add(&r, "ann", "10.0.0.1", "alpha/web");
    log_readings_add(&r, "bob", "10.0.0.1", "alpha/web");
    bench_drain(b);
    log_readings_add(&r, "bob", "10.0.0.2", "alpha/web");
    log_readings_add(&r, "bob", "10.0.0.2", "beta/web");
    log_readings_add(&r, "bob", "10.0.0.2", "beta/db");
    assert_rows(b, "bob@10.0.0.2 beta/db;bob@10.0.0.2 beta/web;bob@10.0.0.2 alpha/web;"
                   "bob@10.0.0.1 alpha/web;ann@10.0.0.1 alpha/web;");
    log_readings_done(&r);
}

static void what_is_remembered_has_a_maximum(void **state)
{
    struct bench *b = *state;
    struct log_readings r = readings_of(b);
    char name[16];

    for (int i = 0; i <= LOG_READINGS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "h/c%d", i);
        log_readings_add(&r, "ann", "10.0.0.1", name);
        if (i % 10 == 0)
            bench_drain(b);
        assert_true(r.told.size <= LOG_READINGS_MAX);
    }
    assert_int_equal(r.told.size, 1);
    log_readings_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(who_reads_on_is_told_of_once),
        BENCH(others_and_other_logs_are_told_of),
        BENCH(what_is_remembered_has_a_maximum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
