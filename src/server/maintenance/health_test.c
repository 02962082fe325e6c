#include "base/alloc.h"
#include "base/log.h"
#include "server/maintenance/health.h"
#include "server/sqlite/db_internal.h"
#include "server/store/fixture.h"
#include "server/store/tokens.h"

#include <errno.h>
#include <string.h>

#define MAX_WAITING 8

struct bench {
    struct fixture *f;
    struct loop *loop;
    struct job_queue *jobs;
    struct fleet *fleet;
    struct health *health;
};

static int setup(void **state)
{
    struct bench *b = xcalloc(1, sizeof(*b));
    void *fixture;

    if (fixture_setup(&fixture) < 0 || loop_new(&b->loop, &(struct loop_options){0}, NULL) < 0)
        return -1;
    b->f = fixture;
    b->jobs = job_queue_new(b->loop, 1, MAX_WAITING);
    b->fleet = fleet_new();
    b->health = health_new(&(struct health_options){
        .loop = b->loop,
        .store = b->f->store,
        .store_jobs = b->jobs,
        .fleet = b->fleet,
        .max_waiting = MAX_WAITING,
        .period_ms = 20,
        .broken_period_ms = 5,
    });
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    void *fixture = b->f;

    health_free(b->health);
    job_queue_drain(b->jobs);
    job_queue_free(b->jobs);
    fleet_free(b->fleet);
    loop_free(b->loop);
    (void)fixture_teardown(&fixture);
    free(b);
    return 0;
}

/* Runs the statement between two probes, when no job uses the store. */
static void set(struct bench *b, const char *sql)
{
    while (job_queue_pending(b->jobs) > 0)
        loop_turn(b->loop);
    assert_int_equal(db_exec(b->f->store, sql, NULL), 0);
}

static void assert_health(const struct bench *b, const char *status, const char *database)
{
    json_t *o = health_json(b->health);
    const json_t *d = json_object_get(json_object_get(o, "components"), "database");

    assert_non_null(o);
    assert_string_equal(json_string_value(json_object_get(o, "status")), status);
    assert_string_equal(json_string_value(json_object_get(d, "status")), database);
    json_decref(o);
}

static void test_a_failing_database_is_detected_and_recovers(void **state)
{
    struct bench *b = *state;
    char text[200];

    assert_health(b, "healthy", "ok");
    set(b, "PRAGMA query_only = 1");
    while (health_is_serving(b->health)) /* only the probe writes */
        loop_turn(b->loop);
    assert_health(b, "degraded", "read_only");
    health_describe(b->health, text, sizeof(text));
    assert_string_equal(text, "0 of 0 agents online, database read_only");
    set(b, "PRAGMA query_only = 0");
    while (!health_is_serving(b->health))
        loop_turn(b->loop);
    assert_health(b, "healthy", "ok");
}

static void test_a_failed_job_changes_the_state_at_once(void **state)
{
    struct bench *b = *state;
    char *token = NULL;

    set(b, "PRAGMA query_only = 1");
    assert_int_equal(tokens_create(b->f->store, NULL, true, 1, &token, NULL), -EROFS);
    assert_false(health_is_serving(b->health));
    assert_health(b, "degraded", "read_only");
    set(b, "PRAGMA query_only = 0");
    assert_int_equal(tokens_create(b->f->store, NULL, true, 1, &token, NULL), 0);
    free(token);
    assert_true(health_is_serving(b->health));
}

static void test_errors_of_one_statement_keep_the_state(void **state)
{
    struct bench *b = *state;

    fixture_add_host(b->f->store, "h1", "one");
    assert_int_equal(db_exec(b->f->store, "INSERT INTO hosts (id) VALUES ('h1')", NULL), -EINVAL);
    assert_true(health_is_serving(b->health));
}

static void test_damage_is_permanent(void **state)
{
    struct bench *b = *state;

    set(b, "PRAGMA query_only = 0"); /* no probe runs now */
    assert_int_equal(db_error(b->f->store, SQLITE_CORRUPT, NULL), -EUCLEAN);
    assert_int_equal(db_probe(b->f->store, NULL), 0);
    assert_false(health_is_serving(b->health));
    assert_health(b, "degraded", "damaged");
}

static void test_agents_are_counted(void **state)
{
    struct bench *b = *state;
    char id[] = "h1", name[] = "one", agent_id[] = "a1", local_id[] = "h2", local_name[] = "two";
    struct host host = {.id = id, .name = name}, local = {.id = local_id, .name = local_name};
    struct agent agent = {.id = agent_id, .host_id = id};
    struct fleet_host *h = fleet_put_host(b->fleet, &host, &agent);
    char text[200];

    (void)fleet_put_host(b->fleet, &local, NULL);
    health_describe(b->health, text, sizeof(text));
    assert_string_equal(text, "0 of 1 agents online, database ok");
    fleet_set_online(b->fleet, h, true, 1);
    health_describe(b->health, text, sizeof(text));
    assert_string_equal(text, "1 of 1 agents online, database ok");
}

static void do_nothing(void *job)
{
    (void)job;
}

static void test_a_long_queue_degrades_the_health(void **state)
{
    struct bench *b = *state;

    for (size_t i = 0; i < MAX_WAITING; i++)
        assert_int_equal(job_submit(b->jobs, b, do_nothing, do_nothing), 0);
    assert_health(b, "degraded", "ok");
    assert_true(health_is_serving(b->health));
    while (job_queue_pending(b->jobs) > 0)
        loop_turn(b->loop);
    assert_health(b, "healthy", "ok");
}

#define BENCH(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(test_a_failing_database_is_detected_and_recovers),
        BENCH(test_a_failed_job_changes_the_state_at_once),
        BENCH(test_errors_of_one_statement_keep_the_state),
        BENCH(test_damage_is_permanent),
        BENCH(test_agents_are_counted),
        BENCH(test_a_long_queue_degrades_the_health),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
