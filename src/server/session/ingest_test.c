#include "server/session/ingest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"
#include "server/session/store_fixture.h"
#include "server/store/container_settings.h"

void __wrap_log_write(enum log_level level, const char *const *fields, const char *fmt, ...);

static unsigned n_lines[LOG_LEVEL_ERROR + 1];

void __wrap_log_write(enum log_level level, const char *const *fields, const char *fmt, ...)
{
    (void)fields;
    (void)fmt;
    n_lines[level]++;
}

struct fixture {
    struct store_fixture store;
    struct loop *loop;
    struct job_queue *jobs;
    struct ingest *ingest;
    unsigned n_events;
};

static void on_event(void *owner, const struct event *e, const char *old_name _unused_)
{
    struct fixture *f = owner;

    assert_string_equal(e->type, "x");
    f->n_events++;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    store_fixture_init(&f->store);
    assert_int_equal(loop_new(&f->loop, &(struct loop_options){0}, NULL), 0);
    f->jobs = job_queue_new(f->loop, 1, 100);
    f->ingest = ingest_new(f->loop, f->jobs, f->store.store, on_event, f);
    memset(n_lines, 0, sizeof(n_lines));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    job_queue_drain(f->jobs);
    ingest_free(f->ingest);
    job_queue_free(f->jobs);
    loop_free(f->loop);
    store_fixture_done(&f->store);
    free(f);
    return 0;
}

static void add(struct fixture *f, const char *dedup_key, const char *details)
{
    struct event e = {
        .at_ms = time_utc_ms(),
        .category = xstrdup("system"),
        .type = xstrdup("x"),
        .severity = xstrdup("info"),
        .title = xstrdup("t"),
        .message = xstrdup("m"),
        .dedup_key = dedup_key ? xstrdup(dedup_key) : NULL,
        .details = details ? xstrdup(details) : NULL,
    };

    assert_int_equal(ingest_event(f->ingest, &e), 0);
}

/* Each event is emitted once, and the log is for those that are lost. */
static void test_stored_events_are_emitted_and_not_logged(void **state)
{
    struct fixture *f = *state;

    add(f, NULL, NULL);
    add(f, "key", "{}");
    add(f, "key", "{}"); /* a duplicate */
    job_queue_drain(f->jobs);
    assert_int_equal(f->n_events, 2);
    assert_int_equal(n_lines[LOG_LEVEL_ERROR], 0);
    assert_int_equal(n_lines[LOG_LEVEL_DEBUG], 0);
}

/* A row that the store refuses takes no other with it. */
static void test_refused_row_is_lost_alone(void **state)
{
    struct fixture *f = *state;

    add(f, NULL, NULL); /* is written at once; the others form a batch */
    add(f, NULL, NULL);
    add(f, NULL, "no JSON");
    add(f, NULL, NULL);
    job_queue_drain(f->jobs);
    assert_int_equal(f->n_events, 3);
    assert_int_equal(n_lines[LOG_LEVEL_ERROR], 0);
    assert_int_equal(n_lines[LOG_LEVEL_DEBUG], 1);
}

/* A failure of the store loses the batch: it is logged, and nothing is emitted. */
static void test_lost_batch_is_logged(void **state)
{
    struct fixture *f = *state;

    store_fixture_sql(f->store.store, "ALTER TABLE events RENAME TO away");
    add(f, NULL, NULL);
    job_queue_drain(f->jobs);
    assert_int_equal(f->n_events, 0);
    assert_int_equal(n_lines[LOG_LEVEL_ERROR], 1);
    store_fixture_sql(f->store.store, "ALTER TABLE away RENAME TO events");
    add(f, NULL, NULL);
    job_queue_drain(f->jobs);
    assert_int_equal(f->n_events, 1);
    assert_int_equal(n_lines[LOG_LEVEL_ERROR], 1);
}

static void rename_container(struct fixture *f, const char *host_id, const char *dedup_key)
{
    struct event e = {
        .at_ms = time_utc_ms(),
        .category = xstrdup("container"),
        .type = xstrdup("x"),
        .severity = xstrdup("info"),
        .host_id = xstrdup(host_id),
        .container_name = xstrdup("site"),
        .title = xstrdup("t"),
        .dedup_key = xstrdup(dedup_key),
    };

    assert_int_equal(ingest_renamed(f->ingest, &e, "web"), 0);
    job_queue_drain(f->jobs);
}

/* The settings of a container follow its name, but not again when the agent repeats the event. */
static void test_settings_follow_a_renamed_container(void **state)
{
    struct fixture *f = *state;
    struct db *s = f->store.store;
    _cleanup_free_ char *host = store_fixture_host(s, "agent", "one", "E1");
    const struct container_setting_key web = {
        .host_id = host, .subject = "web", .kind = CONTAINER_TAGS};
    const struct container_setting_key site = {
        .host_id = host, .subject = "site", .kind = CONTAINER_TAGS};
    char *data = NULL;

    assert_int_equal(container_settings_set(s, &web, "[\"first\"]", 1, NULL), 0);
    rename_container(f, host, "key");
    assert_int_equal(container_settings_get(s, &web, &data, NULL), -ENOENT);
    assert_int_equal(container_settings_set(s, &web, "[\"second\"]", 1, NULL), 0);
    rename_container(f, host, "key");
    assert_int_equal(container_settings_get(s, &site, &data, NULL), 0);
    assert_string_equal(data, "[\"first\"]");
    free(data);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stored_events_are_emitted_and_not_logged),
        TEST(test_refused_row_is_lost_alone),
        TEST(test_lost_batch_is_logged),
        TEST(test_settings_follow_a_renamed_container),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
