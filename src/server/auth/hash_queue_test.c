#include "base/str.h"
#include "server/auth/hash_queue.h"

/* cmocka includes need these first, in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#define MAX_JOBS 200

/* A queue with one thread, whose jobs wait for the test. */
struct bench {
    struct loop *loop;
    struct job_queue *jobs;
    struct hash_queue *q;
    sem_t gate;
    struct test_job {
        struct hash_job job;
        struct bench *bench;
        char name;
    } items[MAX_JOBS];
    size_t n_items;
    char done[MAX_JOBS + 1], refused[MAX_JOBS + 1];
};

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    if (!b || loop_new(&b->loop, &(struct loop_options){0}, NULL) < 0)
        return -1;
    (void)sem_init(&b->gate, 0, 0);
    b->jobs = job_queue_new(b->loop, 1, 0);
    b->q = hash_queue_new(b->jobs, 1);
    *state = b;
    return 0;
}

static void open_gate(struct bench *b)
{
    for (size_t i = 0; i < MAX_JOBS; i++)
        (void)sem_post(&b->gate);
}

static int teardown(void **state)
{
    struct bench *b = *state;

    open_gate(b);
    hash_queue_free(b->q);
    job_queue_drain(b->jobs);
    job_queue_free(b->jobs);
    loop_free(b->loop);
    (void)sem_destroy(&b->gate);
    free(b);
    return 0;
}

static void work(void *owner)
{
    (void)sem_wait(&((struct test_job *)owner)->bench->gate);
}

static void done(void *owner)
{
    const struct test_job *t = owner;

    t->bench->done[strlen(t->bench->done)] = t->name;
}

static void refuse(void *owner)
{
    const struct test_job *t = owner;

    t->bench->refused[strlen(t->bench->refused)] = t->name;
}

static int submit(struct bench *b, char name, const char *source, bool is_known)
{
    struct test_job *t = &b->items[b->n_items++];

    t->bench = b;
    t->name = name;
    t->job = (struct hash_job){
        .work = work, .done = done, .refuse = refuse, .owner = t, .is_known = is_known};
    str_copy(t->job.source, sizeof(t->job.source), source);
    return hash_queue_submit(b->q, &t->job);
}

static void test_networks_take_turns(void **state)
{
    struct bench *b = *state;

    assert_int_equal(submit(b, '0', "x", false), 0); /* runs */
    for (const char *name = "abcd"; *name; name++)
        assert_int_equal(submit(b, *name, "x", false), 0);
    assert_int_equal(submit(b, 'A', "y", false), 0);
    assert_int_equal(submit(b, 'B', "y", false), 0);
    open_gate(b);
    job_queue_drain(b->jobs);
    assert_string_equal(b->done, "0aAbBcd");
}

static void test_a_network_with_many_jobs_makes_room(void **state)
{
    struct bench *b = *state;
    char source[16];

    for (int i = 0; i <= HASH_MAX_WAITING; i++)
        assert_int_equal(submit(b, 'x', "x", false), 0);
    assert_int_equal(submit(b, 'x', "x", false), -ENOBUFS);
    assert_int_equal(submit(b, 'y', "y", false), 0);
    assert_string_equal(b->refused, "x");

    /* When each network has one job, there is no place for a further one. */
    for (int i = 0; i < HASH_MAX_WAITING - 2; i++) {
        (void)snprintf(source, sizeof(source), "n%d", i);
        assert_int_equal(submit(b, 'n', source, false), 0);
    }
    assert_int_equal(strlen(b->refused), HASH_MAX_WAITING - 1);
    assert_int_equal(submit(b, 'z', "z", false), -ENOBUFS);

    /* One of a known client has. It does not wait for all the others. */
    assert_int_equal(submit(b, 'K', "z", true), 0);
    open_gate(b);
    job_queue_drain(b->jobs);
    assert_int_equal(strlen(b->done), HASH_MAX_WAITING + 2);
    assert_true(b->done[1] == 'K');
}

static void test_known_clients_leave_every_second_turn_to_others(void **state)
{
    struct bench *b = *state;

    assert_int_equal(submit(b, '0', "x", true), 0);
    for (const char *name = "KLMN"; *name; name++)
        assert_int_equal(submit(b, *name, "k", true), 0);
    assert_int_equal(submit(b, 'a', "x", false), 0);
    assert_int_equal(submit(b, 'b', "x", false), 0);
    open_gate(b);
    job_queue_drain(b->jobs);
    assert_string_equal(b->done, "0aKbLMN");
}

static void test_a_freed_queue_refuses_what_waits(void **state)
{
    struct bench *b = *state;

    for (const char *name = "abc"; *name; name++)
        assert_int_equal(submit(b, *name, "x", *name == 'b'), 0);
    hash_queue_free(b->q);
    b->q = NULL;
    open_gate(b);
    job_queue_drain(b->jobs);
    assert_string_equal(b->done, "a");
    assert_string_equal(b->refused, "cb");
}

#define BENCH(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(test_networks_take_turns),
        BENCH(test_a_network_with_many_jobs_makes_room),
        BENCH(test_known_clients_leave_every_second_turn_to_others),
        BENCH(test_a_freed_queue_refuses_what_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
