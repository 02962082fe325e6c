#include "base/alloc.h"
#include "base/buf.h"
#include "server/common/job.h"

/* cmocka includes need these first, in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define N_JOBS 50

struct shared {
    struct loop *loop;
    struct job_queue *queue, *second_queue;
    pthread_t loop_thread;
    struct buf log; /* written only by done() */
    atomic_int n_inside, max_inside, n_worked;
    pthread_mutex_t gate; /* held by a test to keep workers busy */
};

struct test_job {
    struct shared *shared;
    char letter;
    bool is_done;
};

static int setup(void **state)
{
    struct shared *s = xcalloc(1, sizeof(*s));

    if (loop_new(&s->loop, &(struct loop_options){0}, NULL) < 0 ||
        pthread_mutex_init(&s->gate, NULL) != 0)
        return -1;
    s->loop_thread = pthread_self();
    s->log = BUF_INIT(1000);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct shared *s = *state;

    job_queue_free(s->queue);
    buf_done(&s->log);
    (void)pthread_mutex_destroy(&s->gate);
    loop_free(s->loop);
    free(s);
    return 0;
}

static void work(void *arg)
{
    struct test_job *job = arg;
    struct shared *s = job->shared;
    int n = atomic_fetch_add(&s->n_inside, 1) + 1, max = atomic_load(&s->max_inside);

    while (n > max && !atomic_compare_exchange_weak(&s->max_inside, &max, n))
        continue;
    (void)pthread_mutex_lock(&s->gate);
    (void)pthread_mutex_unlock(&s->gate);
    atomic_fetch_add(&s->n_worked, 1);
    atomic_fetch_sub(&s->n_inside, 1);
}

static void done(void *arg)
{
    struct test_job *job = arg;

    assert_true(pthread_equal(pthread_self(), job->shared->loop_thread));
    assert_false(job->is_done);
    job->is_done = true;
    assert_int_equal(buf_append_char(&job->shared->log, job->letter), 0);
}

static void test_a_single_worker_keeps_the_order(void **state)
{
    struct shared *s = *state;
    struct test_job jobs[N_JOBS];
    char expected[N_JOBS + 1] = "";

    s->queue = job_queue_new(s->loop, 1, N_JOBS);
    for (int i = 0; i < N_JOBS; i++) {
        jobs[i] = (struct test_job){.shared = s, .letter = (char)('A' + i)};
        expected[i] = jobs[i].letter;
        assert_int_equal(job_submit(s->queue, &jobs[i], work, done), 0);
    }
    assert_int_equal(job_queue_pending(s->queue), N_JOBS);
    assert_int_equal(s->log.size, 0);
    job_queue_drain(s->queue);
    assert_string_equal(buf_str(&s->log), expected);
    assert_int_equal(atomic_load(&s->max_inside), 1);
    assert_int_equal(atomic_load(&s->n_worked), N_JOBS);
    assert_int_equal(job_queue_pending(s->queue), 0);
}

static void test_parallel_jobs_are_bounded(void **state)
{
    struct shared *s = *state;
    struct test_job jobs[N_JOBS];

    s->queue = job_queue_new(s->loop, 3, N_JOBS);
    (void)pthread_mutex_lock(&s->gate);
    for (int i = 0; i < N_JOBS; i++) {
        jobs[i] = (struct test_job){.shared = s, .letter = 'x'};
        assert_int_equal(job_submit(s->queue, &jobs[i], work, done), 0);
    }
    while (atomic_load(&s->n_inside) < 3) /* all start, and wait at the gate */
        (void)sched_yield();
    (void)pthread_mutex_unlock(&s->gate);
    job_queue_drain(s->queue);
    assert_int_equal(s->log.size, N_JOBS);
    assert_int_equal(atomic_load(&s->max_inside), 3);
}

static void test_a_full_queue_refuses_jobs(void **state)
{
    struct shared *s = *state;
    struct test_job jobs[4];

    s->queue = job_queue_new(s->loop, 1, 2);
    (void)pthread_mutex_lock(&s->gate);
    for (int i = 0; i < 4; i++) {
        jobs[i] = (struct test_job){.shared = s, .letter = (char)('a' + i)};
        assert_int_equal(job_submit(s->queue, &jobs[i], work, done), i < 3 ? 0 : -ENOBUFS);
    }
    (void)pthread_mutex_unlock(&s->gate);
    job_queue_drain(s->queue);
    assert_string_equal(buf_str(&s->log), "abc");
    assert_false(jobs[3].is_done);

    assert_int_equal(job_submit(s->queue, &jobs[3], work, done), 0); /* there is room again */
    job_queue_drain(s->queue);
    assert_string_equal(buf_str(&s->log), "abcd");
}

static void test_deferred_calls_run_later_and_are_never_refused(void **state)
{
    struct shared *s = *state;
    struct test_job job = {.shared = s, .letter = 'd'};

    s->queue = job_queue_new(s->loop, 1, 0);
    job_defer(s->queue, &job, done);
    assert_false(job.is_done);
    assert_int_equal(job_queue_pending(s->queue), 1);
    job_queue_drain(s->queue);
    assert_true(job.is_done);
    assert_int_equal(atomic_load(&s->n_worked), 0);
}

static void test_an_idle_queue_accepts_jobs_without_room_to_wait(void **state)
{
    struct shared *s = *state;
    struct test_job job = {.shared = s, .letter = 'i'};

    s->queue = job_queue_new(s->loop, 1, 0);
    assert_int_equal(job_submit(s->queue, &job, work, done), 0);
    assert_int_equal(job_submit(s->queue, &job, work, done), -ENOBUFS);
    job_queue_drain(s->queue);
    assert_string_equal(buf_str(&s->log), "i");
}

static void submit_again(void *arg)
{
    struct test_job *job = arg;

    assert_int_equal(buf_append_char(&job->shared->log, job->letter), 0);
    if (job->letter == 'a') {
        job->letter = 'z';
        assert_int_equal(job_submit(job->shared->queue, job, work, submit_again), 0);
    }
}

static void test_a_job_submitted_by_done_runs_last(void **state)
{
    struct shared *s = *state;
    struct test_job first = {.shared = s, .letter = 'a'}, second = {.shared = s, .letter = 'b'};

    s->queue = job_queue_new(s->loop, 1, 5);
    assert_int_equal(job_submit(s->queue, &first, work, submit_again), 0);
    assert_int_equal(job_submit(s->queue, &second, work, submit_again), 0);
    job_queue_drain(s->queue);
    assert_string_equal(buf_str(&s->log), "abz");
}

/* Deferred by a done(): runs in a later turn. */
static void defer_again(void *arg)
{
    struct test_job *job = arg;

    done(job);
    if (job->letter == 'a') {
        *job = (struct test_job){.shared = job->shared, .letter = 'b'};
        job_defer(job->shared->queue, job, defer_again);
        assert_false(job->is_done);
    }
}

static void test_a_deferred_call_may_defer(void **state)
{
    struct shared *s = *state;
    struct test_job job = {.shared = s, .letter = 'a'};

    s->queue = job_queue_new(s->loop, 1, 0);
    job_defer(s->queue, &job, defer_again);
    loop_turn(s->loop);
    assert_string_equal(buf_str(&s->log), "a");
    loop_turn(s->loop);
    assert_string_equal(buf_str(&s->log), "ab");
}

/* A turn handles a bounded number of finished jobs, so that other watches are served. */
static void test_a_turn_is_bounded(void **state)
{
    struct shared *s = *state;
    struct test_job jobs[500];

    s->queue = job_queue_new(s->loop, 1, 0);
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        jobs[i] = (struct test_job){.shared = s, .letter = 'x'};
        job_defer(s->queue, &jobs[i], done);
    }
    loop_turn(s->loop);
    assert_in_range(s->log.size, 1, 100);
    job_queue_drain(s->queue);
    assert_int_equal(s->log.size, ARRAY_LEN(jobs));
}

static void count_inside(void *arg)
{
    const struct test_job *job = arg;

    atomic_fetch_add(&job->shared->n_worked, 1);
}

static void wait_for_next(void *arg)
{
    struct test_job *job = arg;

    while (atomic_load(&job->shared->n_worked) < 2)
        (void)sched_yield();
    done(job);
}

/* The first done() blocks until the second job has started. */
static void test_the_next_job_does_not_wait_for_done(void **state)
{
    struct shared *s = *state;
    struct test_job jobs[2] = {
        {.shared = s, .letter = 'a'},
        {.shared = s, .letter = 'b'}
    };

    s->queue = job_queue_new(s->loop, 1, 1);
    assert_int_equal(job_submit(s->queue, &jobs[0], count_inside, wait_for_next), 0);
    assert_int_equal(job_submit(s->queue, &jobs[1], count_inside, done), 0);
    job_queue_drain(s->queue);
    assert_string_equal(buf_str(&s->log), "ab");
}

static void see_signals(void *arg)
{
    const struct test_job *job = arg;
    sigset_t blocked;

    (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    if (sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGUSR1) == 1)
        atomic_fetch_add(&job->shared->n_worked, 1);
}

static void test_workers_block_all_signals(void **state)
{
    struct shared *s = *state;
    struct test_job job = {.shared = s, .letter = 's'};
    sigset_t blocked;

    s->queue = job_queue_new(s->loop, 1, 0);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    assert_int_equal(sigismember(&blocked, SIGTERM), 0); /* the mask of this thread is unchanged */
    assert_int_equal(job_submit(s->queue, &job, see_signals, done), 0);
    job_queue_drain(s->queue);
    assert_int_equal(atomic_load(&s->n_worked), 1);
}

static void free_queue(void *arg)
{
    struct test_job *job = arg;

    done(job);
    job_queue_free(TAKE_PTR(job->shared->queue));
    loop_stop(job->shared->loop);
}

static void test_the_last_done_may_free_the_queue(void **state)
{
    struct shared *s = *state;
    struct test_job job = {.shared = s, .letter = 'f'};

    s->queue = job_queue_new(s->loop, 2, 0);
    assert_int_equal(job_submit(s->queue, &job, work, free_queue), 0);
    loop_run(s->loop);
    assert_string_equal(buf_str(&s->log), "f");
}

/* Two queues on one loop submit jobs to each other. */
static void hand_over(void *arg)
{
    struct test_job *job = arg;
    struct shared *s = job->shared;
    struct job_queue *to = job->letter % 2 ? s->second_queue : s->queue;

    assert_int_equal(buf_append_char(&s->log, job->letter), 0);
    if (job->letter++ < 'f')
        assert_int_equal(job_submit(to, job, work, hand_over), 0);
}

static void test_two_queues_share_a_loop(void **state)
{
    struct shared *s = *state;
    struct test_job job = {.shared = s, .letter = 'a'};

    s->queue = job_queue_new(s->loop, 1, 0);
    s->second_queue = job_queue_new(s->loop, 1, 0);
    assert_int_equal(job_submit(s->queue, &job, work, hand_over), 0);
    while (job_queue_pending(s->queue) + job_queue_pending(s->second_queue) > 0) {
        job_queue_drain(s->queue);
        job_queue_drain(s->second_queue);
    }
    assert_string_equal(buf_str(&s->log), "abcdef");
    job_queue_free(TAKE_PTR(s->second_queue));
}

static void test_a_queue_needs_a_descriptor(void **state)
{
    struct shared *s = *state;
    struct rlimit old, none;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    s->queue = job_queue_new(s->loop, 1, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_null(s->queue);
    job_queue_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_single_worker_keeps_the_order),
        TEST(test_parallel_jobs_are_bounded),
        TEST(test_a_full_queue_refuses_jobs),
        TEST(test_an_idle_queue_accepts_jobs_without_room_to_wait),
        TEST(test_deferred_calls_run_later_and_are_never_refused),
        TEST(test_a_job_submitted_by_done_runs_last),
        TEST(test_a_deferred_call_may_defer),
        TEST(test_a_turn_is_bounded),
        TEST(test_the_next_job_does_not_wait_for_done),
        TEST(test_workers_block_all_signals),
        TEST(test_the_last_done_may_free_the_queue),
        TEST(test_two_queues_share_a_loop),
        TEST(test_a_queue_needs_a_descriptor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
