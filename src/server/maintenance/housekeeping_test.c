#include "base/alloc.h"
#include "base/buf.h"
#include "base/time.h"
#include "server/maintenance/housekeeping.h"
#include "server/store/audit.h"
#include "server/store/events.h"
#include "server/store/fixture.h"

#include <stdio.h>

#define NOW (1000 * DAY_MS)

struct bench {
    struct fixture *f;
    struct loop *loop;
    struct job_queue *jobs;
    struct housekeeping *housekeeping;
};

static int64_t utc_ms(void)
{
    return NOW;
}

static int setup(void **state)
{
    struct bench *b = xcalloc(1, sizeof(*b));
    void *fixture;

    if (fixture_setup(&fixture) < 0 || loop_new(&b->loop, &(struct loop_options){0}, NULL) < 0)
        return -1;
    b->f = fixture;
    b->jobs = job_queue_new(b->loop, 1, 10);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    void *fixture = b->f;

    housekeeping_free(b->housekeeping);
    job_queue_drain(b->jobs);
    job_queue_free(b->jobs);
    loop_free(b->loop);
    (void)fixture_teardown(&fixture);
    free(b);
    return 0;
}

static void add_event(struct bench *b, int64_t at_ms)
{
    char category[] = "system", type[] = "x", severity[] = "info", title[] = "t";
    struct event e = {
        .at_ms = at_ms, .category = category, .type = type, .severity = severity, .title = title};

    assert_int_equal(events_insert(b->f->store, &e, NULL, NULL), 0);
}

static void ignore_event(void *arg, const struct event *e)
{
    (void)arg;
    (void)e;
}

static int64_t count_events(struct bench *b)
{
    int64_t n = -1;

    assert_int_equal(events_list(b->f->store, &(struct events_query){.page.limit = 1}, ignore_event,
                                 NULL, &n, NULL),
                     0);
    return n;
}

/* Turns the loop until there are so many events; otherwise the test's time limit ends it. */
static void run_until(struct bench *b, int64_t n_events)
{
    do {
        loop_turn(b->loop);
    } while (job_queue_pending(b->jobs) > 0 || count_events(b) != n_events);
}

static struct housekeeping_options options_of(struct bench *b)
{
    return (struct housekeeping_options){.loop = b->loop,
                                         .store_jobs = b->jobs,
                                         .store = b->f->store,
                                         .first_after_ms = 1,
                                         .period_ms = 1,
                                         .utc_ms = utc_ms};
}

static void append_audit(void *arg, const struct audit_entry *e)
{
    assert_int_equal(buf_printf(arg, "%lld ", (long long)(e->at_ms - NOW)), 0);
}

static void test_expired_rows_are_deleted(void **state)
{
    struct bench *b = *state;
    struct housekeeping_options o = options_of(b);
    struct buf rows = BUF_INIT(100);
    char who[] = "w", action[] = "a", result[] = "ok";
    struct audit_entry entry = {.who = who, .action = action, .result = result};

    add_event(b, NOW - 30 * DAY_MS - 1);
    add_event(b, NOW - 30 * DAY_MS);
    add_event(b, NOW);
    entry.at_ms = NOW - 365 * DAY_MS - 1;
    assert_int_equal(audit_insert(b->f->store, &entry, NULL), 0);
    entry.at_ms = NOW - 1;
    assert_int_equal(audit_insert(b->f->store, &entry, NULL), 0);

    b->housekeeping = housekeeping_new(&o);
    run_until(b, 2);
    assert_int_equal(audit_list(b->f->store, &(struct audit_query){.page.limit = 9}, append_audit,
                                &rows, NULL, NULL),
                     0);
    assert_string_equal(buf_str(&rows), "-1 ");
    buf_done(&rows);

    add_event(b, NOW - 40 * DAY_MS); /* deleted in the next period */
    run_until(b, 2);
}

static int add_many(struct db *s, void *arg, struct error *err)
{
    (void)s;
    (void)err;
    for (int i = 0; i < 12000; i++)
        add_event(arg, NOW + i);
    return 0;
}

static void test_surplus_events_are_deleted_in_batches(void **state)
{
    struct bench *b = *state;
    struct housekeeping_options o = options_of(b);
    bool is_more = false;

    assert_int_equal(db_tx(b->f->store, add_many, b, NULL), 0);
    assert_int_equal(events_purge(b->f->store, 0, 100, &is_more, NULL), 0);
    assert_true(is_more);
    assert_int_equal(count_events(b), 7000);

    o.period_ms = 0; /* an hour: all batches run in the same period */
    o.max_events = 100;
    b->housekeeping = housekeeping_new(&o);
    run_until(b, 100);
    assert_int_equal(events_purge(b->f->store, 0, 100, &is_more, NULL), 0);
    assert_false(is_more);
}

static void test_a_running_job_outlives_its_owner(void **state)
{
    struct bench *b = *state;
    struct housekeeping_options o = options_of(b);

    b->housekeeping = housekeeping_new(&o);
    while (job_queue_pending(b->jobs) == 0)
        loop_turn(b->loop);
    housekeeping_free(TAKE_PTR(b->housekeeping));
    job_queue_drain(b->jobs);
    assert_int_equal(job_queue_pending(b->jobs), 0);
    housekeeping_free(NULL);
}

#define BENCH(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(test_expired_rows_are_deleted),
        BENCH(test_surplus_events_are_deleted_in_batches),
        BENCH(test_a_running_job_outlives_its_owner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
