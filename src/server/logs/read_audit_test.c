#include "base/buf.h"
#include "server/auth/fixture.h"
#include "server/logs/read_audit.h"
#include "server/store/audit.h"

#include <stdio.h>

static uint64_t clock_ms(void)
{
    return bench_clock_ms;
}

static struct log_read_audit audit_of(struct bench *b)
{
    struct log_read_audit a;

    log_read_audit_init(&a, b->f->store, b->store_jobs);
    a.clock_ms = clock_ms;
    return a;
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

static void reader_that_continues_gets_one_row(void **state)
{
    struct bench *b = *state;
    struct log_read_audit a = audit_of(b);

    for (int i = 0; i < 10; i++)
        log_read_audit_add(&a, "ann", "10.0.0.1", "alpha/web");
    assert_rows(b, "ann@10.0.0.1 alpha/web;");

    bench_clock_ms += LOG_READ_AUDIT_PERIOD_MS - 1;
    log_read_audit_add(&a, "ann", "10.0.0.1", "alpha/web");
    assert_rows(b, "ann@10.0.0.1 alpha/web;");
    bench_clock_ms += 1;
    log_read_audit_add(&a, "ann", "10.0.0.1", "alpha/web");
    log_read_audit_add(&a, "ann", "10.0.0.1", "alpha/web");
    assert_rows(b, "ann@10.0.0.1 alpha/web;ann@10.0.0.1 alpha/web;");
    log_read_audit_done(&a);
}

static void other_readers_and_logs_get_rows(void **state)
{
    struct bench *b = *state;
    struct log_read_audit a = audit_of(b);

    log_read_audit_add(&a, "ann", "10.0.0.1", "alpha/web");
    log_read_audit_add(&a, "bob", "10.0.0.1", "alpha/web");
    bench_drain(b);
    log_read_audit_add(&a, "bob", "10.0.0.2", "alpha/web");
    log_read_audit_add(&a, "bob", "10.0.0.2", "beta/web");
    log_read_audit_add(&a, "bob", "10.0.0.2", "beta/db");
    assert_rows(b, "bob@10.0.0.2 beta/db;bob@10.0.0.2 beta/web;bob@10.0.0.2 alpha/web;"
                   "bob@10.0.0.1 alpha/web;ann@10.0.0.1 alpha/web;");
    log_read_audit_done(&a);
}

static void number_of_known_readers_is_bounded(void **state)
{
    struct bench *b = *state;
    struct log_read_audit a = audit_of(b);
    char name[16];

    for (int i = 0; i <= LOG_READ_AUDIT_MAX; i++) {
        (void)snprintf(name, sizeof(name), "h/c%d", i);
        log_read_audit_add(&a, "ann", "10.0.0.1", name);
        if (i % 10 == 0)
            bench_drain(b);
        assert_true(set_size(&a.known) <= LOG_READ_AUDIT_MAX);
    }
    assert_int_equal(set_size(&a.known), 1);
    log_read_audit_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(reader_that_continues_gets_one_row),
        BENCH(other_readers_and_logs_get_rows),
        BENCH(number_of_known_readers_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
