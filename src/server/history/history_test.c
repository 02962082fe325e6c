/*
 * History as the server uses it: adding samples, asking, and the state after a kill.
 */

#include "base/alloc.h"
#include "base/time.h"
#include "server/history/accumulate.h"
#include "server/history/history.h"
#include "server/store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOON    (INT64_C(20780) * DAY_MS + DAY_MS / 2)
#define WAIT_MS 20000

static int64_t now_ms;

static int64_t fake_now(void)
{
    return now_ms;
}

struct world {
    struct loop *loop;
    struct history *history;
    char dir[128];
    bool is_answered;
    int code;
    void (*check)(struct world *w, const struct history_answer *a);
};

static void world_open(struct world *w, void **state)
{
    *w = (struct world){0};
    (void)snprintf(w->dir, sizeof(w->dir), "%s", ((struct fixture *)*state)->dir);
    assert_int_equal(loop_new(&w->loop, &(struct loop_options){0}, NULL), 0);
    w->history = history_new(
        &(struct history_options){.loop = w->loop, .dir = w->dir, .utc_ms = fake_now});
    assert_non_null(w->history);
}

static void world_close(struct world *w)
{
    history_stop(w->history);
    history_free(w->history);
    loop_free(w->loop);
}

static void set_container_values(int64_t cpu, int64_t rx, int64_t values[CONTAINER_METRICS])
{
    for (size_t m = 0; m < CONTAINER_METRICS; m++)
        values[m] = METRIC_NONE;
    values[CONTAINER_CPU] = cpu;
    values[CONTAINER_NET_RX] = rx;
}

static void add_to(struct history *h, int64_t at_ms, const int64_t *values)
{
    struct host_sums *sums = history_host(h, "host", at_ms);

    if (sums)
        accumulator_add(sums, 0, "web", values);
}

static void add(struct world *w, int64_t at_ms, int64_t cpu, int64_t rx)
{
    int64_t values[CONTAINER_METRICS];

    set_container_values(cpu, rx, values);
    add_to(w->history, at_ms, values);
}

static void on_answer(void *owner, const struct history_answer *a)
{
    struct world *w = owner;

    w->is_answered = true;
    w->code = a->code;
    if (w->check)
        w->check(w, a);
}

static struct history_query make_query(void)
{
    return (struct history_query){
        .host = "host",
        .series = "web",
        .from_ms = NOON,
        .to_ms = NOON + 600000,
        .step_ms = 10000,
        .columns = 1U << CONTAINER_CPU | 1U << CONTAINER_NET_RX,
    };
}

static void ask_query(struct world *w,
                      const struct history_query *q,
                      void (*check)(struct world *, const struct history_answer *))
{
    uint64_t deadline = time_monotonic_ms() + WAIT_MS;

    w->is_answered = false;
    w->check = check;
    history_ask(w->history, q, on_answer, w);
    assert_false(w->is_answered);
    while (!w->is_answered) {
        assert_true(time_monotonic_ms() < deadline);
        (void)loop_turn(w->loop);
    }
}

static void ask_for(struct world *w,
                    int64_t duration_ms,
                    void (*check)(struct world *, const struct history_answer *))
{
    struct history_query q = make_query();

    q.to_ms = q.from_ms + duration_ms;
    ask_query(w, &q, check);
}

static void ask(struct world *w, void (*check)(struct world *, const struct history_answer *))
{
    ask_for(w, 600000, check);
}

static void expect_means(_unused_ struct world *w, const struct history_answer *a)
{
    assert_int_equal(a->code, 0);
    /*
     * step 0: mean of 10 and 30; step 1: 50; step 2: no sample; step 3: the counter after a restart
     */
    assert_int_equal(history_points_get(a->points, 0, CONTAINER_CPU).mean, 20);
    assert_int_equal(history_points_get(a->points, 0, CONTAINER_NET_RX).mean, 300);
    assert_int_equal(history_points_get(a->points, 1, CONTAINER_CPU).mean, 50);
    assert_false(history_points_have(a->points, 2));
    assert_int_equal(history_points_get(a->points, 3, CONTAINER_NET_RX).mean, 5);
    assert_int_equal(a->n_marks, 1);
    assert_string_equal(a->marks[0].kind, "started");
    assert_string_equal(a->marks[0].text, "after an update");
    assert_int_equal(a->marks[0].at_ms, NOON + 29000);
}

static void add_some(struct world *w)
{
    add(w, NOON, 10, 100);
    add(w, NOON + 5000, 30, 300);
    add(w, NOON + 12000, 50, 500);
    history_add_mark(w->history, &(struct series_key){"host", "web"}, NOON + 29000, "started",
                     "after an update");
    add(w, NOON + 30000, 1, 5);
}

/* The unwritten steps are written when the server stops, and can be read after the next start. */
static void test_samples_survive_a_restart(void **state)
{
    struct world w;

    now_ms = NOON + 30000;
    world_open(&w, state);
    add_some(&w);
    world_close(&w);
    world_open(&w, state);
    ask(&w, expect_means);
    assert_int_equal(history_state(w.history).code, 0);
    world_close(&w);
}

/* A sample with a time in the future counts as now; one that is too old is dropped. */
static void expect_now(_unused_ struct world *w, const struct history_answer *a)
{
    assert_int_equal(history_points_get(a->points, 3, CONTAINER_CPU).mean, 7);
}

static void expect_nothing(_unused_ struct world *w, const struct history_answer *a)
{
    assert_int_equal(a->code, 0);
    for (size_t i = 0; i < a->points->n; i++)
        assert_false(history_points_have(a->points, i));
}

static void test_future_times_count_as_now(void **state)
{
    struct history_query old = make_query();
    struct world w;
    char name[TIER_FILE_NAME_SIZE];
    _cleanup_free_ char *path = NULL;

    now_ms = NOON + 30000;
    world_open(&w, state);
    add(&w, NOON + 365 * DAY_MS, 7, 7);
    add(&w, NOON - 3 * DAY_MS, 8, 8);
    history_add_mark(w.history, &(struct series_key){"host", "web"}, 5000, "started", "");
    world_close(&w);
    world_open(&w, state);
    ask(&w, expect_now);
    old.from_ms = NOON - 3 * DAY_MS - 60000;
    old.to_ms = NOON - DAY_MS;
    ask_query(&w, &old, expect_nothing);
    tier_file_name(TIER_1H, tier_file_start(TIER_1H, 5000), name);
    path = xasprintf("%s/%s", w.dir, name);
    assert_int_equal(access(path, F_OK), -1);
    world_close(&w);
}

/* A query for an empty span of time fails. */
static void test_invalid_query_is_refused(void **state)
{
    struct world w;

    world_open(&w, state);
    ask_for(&w, 0, NULL);
    assert_int_equal(w.code, -EDOM);
    world_close(&w);
}

static void expect_kept(_unused_ struct world *w, const struct history_answer *a)
{
    assert_int_equal(a->code, 0);
    assert_int_equal(history_points_get(a->points, 0, CONTAINER_CPU).mean, 1);
}

/* Once a missing directory can be created, history uses it without a restart. */
static void test_missing_directory_is_tried_again(void **state)
{
    struct world w = {0};
    const struct fixture *f = *state;
    _cleanup_free_ char *blocked = fixture_path(f, "blocked");
    int fd = open(blocked, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    uint64_t deadline = time_monotonic_ms() + WAIT_MS;

    close(fd);
    now_ms = NOON + 30000;
    assert_int_equal(loop_new(&w.loop, &(struct loop_options){0}, NULL), 0);
    w.history = history_new(
        &(struct history_options){.loop = w.loop, .dir = blocked, .utc_ms = fake_now});
    add(&w, NOON, 1, 1);
    while (history_state(w.history).code == 0) {
        assert_true(time_monotonic_ms() < deadline);
        (void)loop_turn(w.loop);
    }
    assert_non_null(strstr(history_state(w.history).problem, "blocked"));
    ask(&w, NULL);
    assert_true(w.code < 0);
    assert_int_equal(unlink(blocked), 0);
    while (history_state(w.history).code != 0) {
        assert_true(time_monotonic_ms() < deadline);
        (void)loop_turn(w.loop);
    }
    ask(&w, expect_kept); /* samples added meanwhile were kept */
    assert_int_equal(history_state(w.history).n_dropped, 0);
    world_close(&w);
    _cleanup_free_ char *head = xasprintf("%s/head.db", blocked);
    assert_int_equal(unlink(head), 0);
    assert_int_equal(rmdir(blocked), 0);
}

/* A position is known as soon as its step is on disk, not before, and also to the next run. */
struct written {
    struct history_listener listener;
    unsigned n, n_started, n_lost;
    struct history_position at;
};

static void on_written(struct history_listener *l,
                       const char *host,
                       const struct history_position *at)
{
    struct written *w = CONTAINER_OF(l, struct written, listener);

    assert_string_equal(host, "host");
    w->n++;
    w->at = *at;
}

static void note_batch(struct history *h, uint64_t epoch, uint64_t seq, int64_t at_ms)
{
    int64_t values[CONTAINER_METRICS];

    set_container_values(1, 1, values);
    add_to(h, at_ms, values);
    history_took(h, "host", &(struct history_position){epoch, seq}, at_ms);
}

static void wait_written(struct loop *loop, const struct written *w, uint64_t seq)
{
    uint64_t deadline = time_monotonic_ms() + WAIT_MS;

    while (w->at.seq != seq) {
        assert_true(time_monotonic_ms() < deadline);
        (void)loop_turn(loop);
    }
}

/* Nothing is read before the loop runs, and a query waits until the positions were read. */
static void on_started(struct history_listener *l, const struct history *h)
{
    struct written *w = CONTAINER_OF(l, struct written, listener);

    assert_non_null(h);

    w->n_started++;
}

static void wait_started(struct loop *loop, const struct history *h)
{
    uint64_t deadline = time_monotonic_ms() + WAIT_MS;

    while (history_state(h).is_starting) {
        assert_true(time_monotonic_ms() < deadline);
        (void)loop_turn(loop);
    }
}

static void test_position_is_known_once_its_step_is_on_disk(void **state)
{
    const struct fixture *f = *state;
    struct written written = {
        .listener = {.on_written = on_written, .on_started = on_started}
    };
    struct history_position at;
    struct loop *loop;
    struct history_options o = {.dir = f->dir, .utc_ms = fake_now};
    struct history *h;

    now_ms = NOON + 15000;
    assert_int_equal(loop_new(&loop, &(struct loop_options){0}, NULL), 0);
    o.loop = loop;
    h = history_new(&o);
    history_add_listener(h, &written.listener);
    assert_false(history_position(h, "host", &at));
    note_batch(h, 7, 1, NOON + 1000); /* the step before */
    note_batch(h, 7, 2, NOON + 2000);
    note_batch(h, 7, 3, NOON + 12000); /* a step that is not over */
    for (uint64_t i = 0; i < UINT64_C(2) * POSITIONS_WAITING; i++)
        note_batch(h, 7, 4 + i, NOON + 13000);
    wait_written(loop, &written, 2);
    assert_true(history_position(h, "host", &at));
    assert_int_equal(at.seq, 2);
    now_ms = NOON + 21000;
    wait_written(loop, &written, 3 + 2 * POSITIONS_WAITING);
    assert_true(written.n <= 3);
    note_batch(h, 8, 0, NOON + 20000);
    history_stop(h); /* writes unfinished steps, too */
    history_free(h);

    assert_int_equal(written.n_started, 1);
    h = history_new(&o);
    history_add_listener(h, &written.listener);
    assert_true(history_state(h).is_starting);
    assert_false(history_position(h, "host", &at));
    wait_started(loop, h);
    assert_int_equal(written.n_started, 2);
    assert_true(history_position(h, "host", &at));
    assert_true(at.epoch == 8 && at.seq == 0);
    assert_false(history_position(h, "other", &at));
    history_stop(h);
    history_free(h);
    loop_free(loop);
}

/* Batches that find no room while the disk cannot be written are not acknowledged, and are asked
 * for again afterwards. */
static void on_lost(struct history_listener *l, const char *host)
{
    struct written *w = CONTAINER_OF(l, struct written, listener);

    assert_string_equal(host, "host");
    w->n_lost++;
}

static void turn_until_lost(struct loop *loop, const struct written *w, unsigned n)
{
    uint64_t deadline = time_monotonic_ms() + WAIT_MS;

    while (w->n_lost < n) {
        assert_true(time_monotonic_ms() < deadline);
        (void)loop_turn(loop);
    }
}

static void test_dropped_batches_are_not_acknowledged(void **state)
{
    const struct fixture *f = *state;
    struct written written = {
        .listener = {.on_written = on_written, .on_lost = on_lost}
    };
    struct history_position at = {0};
    struct loop *loop;
    struct history_options o = {.dir = f->dir, .utc_ms = fake_now, .max_pending = 100};
    const uint64_t n = 15; /* rounds start at full seconds */
    struct history *h;
    uint64_t seq;

    now_ms = NOON + 1100000;
    assert_int_equal(loop_new(&loop, &(struct loop_options){0}, NULL), 0);
    o.loop = loop;
    h = history_new(&o);
    history_add_listener(h, &written.listener);
    for (seq = 0; seq < n; seq++)
        note_batch(h, 7, seq, NOON + (int64_t)seq * 10000);
    assert_true(history_state(h).n_dropped > 0);
    turn_until_lost(loop, &written, 1);
    /* batch 1 may or may not be on disk, but nothing after it is acknowledged */
    assert_false(history_position(h, "host", &at));
    assert_int_equal(written.n, 0);

    /* Send all batches again, in portions that fit. */
    for (seq = 0; seq < n; seq++) {
        note_batch(h, 7, seq, NOON + (int64_t)seq * 10000);
        if (seq % 3 == 2 || seq == n - 1)
            wait_written(loop, &written, seq);
    }
    assert_int_equal(written.n_lost, 1);
    history_stop(h);
    history_free(h);
    loop_free(loop);
}

/* Runs in a child: writes one sample per step, reports its progress to `out`, and is killed at some
 * point. */
static void child(const char *dir, int out)
{
    struct loop *loop;
    struct history *h;

    if (loop_new(&loop, &(struct loop_options){0}, NULL) < 0)
        _exit(1);
    now_ms = NOON;
    h = history_new(&(struct history_options){.loop = loop, .dir = dir, .utc_ms = fake_now});
    for (int64_t step = 0; step < 100000; step++) {
        int64_t values[CONTAINER_METRICS];

        set_container_values(step % 50, step, values);
        now_ms = NOON + step * 10000;
        add_to(h, now_ms, values);
        if (step % 50 == 49) /* one round per second */
            (void)loop_turn(loop);
        if (write(out, &step, sizeof(step)) < 0)
            _exit(1);
    }
    _exit(0);
}

/* Every sample up to the last round is there, without holes. */
static void expect_no_hole(_unused_ struct world *w, const struct history_answer *a)
{
    size_t n = 0;

    assert_int_equal(a->code, 0);
    while (n < a->points->n && history_points_have(a->points, n)) {
        assert_int_equal(history_points_get(a->points, n, CONTAINER_NET_RX).mean, n);
        n++;
    }
    for (size_t i = n; i < a->points->n; i++)
        assert_false(history_points_have(a->points, i));
}

static void test_kill_leaves_no_hole(void **state)
{
    const struct fixture *f = *state;

    for (int i = 0; i < 3; i++) {
        struct world w;
        int64_t step = 0;
        int pipes[2];
        pid_t pid;

        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0)
            child(f->dir, pipes[1]);
        close(pipes[1]);
        while (step < INT64_C(130) * (i + 1) && read(pipes[0], &step, sizeof(step)) == sizeof(step))
            continue;
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        close(pipes[0]);
        now_ms = NOON + 30000;
        world_open(&w, state);
        ask(&w, expect_no_hole);
        assert_int_equal(history_state(w.history).n_damaged, 0);
        world_close(&w);
    }
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_empty, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_samples_survive_a_restart),
        TEST(test_future_times_count_as_now),
        TEST(test_invalid_query_is_refused),
        TEST(test_position_is_known_once_its_step_is_on_disk),
        TEST(test_dropped_batches_are_not_acknowledged),
        TEST(test_missing_directory_is_tried_again),
        TEST(test_kill_leaves_no_hole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
