/*
 * The worker with a failing disk.
 */

#include "base/alloc.h"
#include "server/history/seal.h"
#include "server/history/tick.h"
#include "server/history/worker.h"
#include "server/store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOW  (INT64_C(20780) * DAY_MS + DAY_MS / 2)
#define STEP tiers[TIER_10S].step_ms

struct bench {
    struct worker *worker;
    char *dir, *moved;
};

static void bench_open(struct bench *b, void **state)
{
    *b = (struct bench){.dir = xasprintf("%s/history", ((struct fixture *)*state)->dir)};
    b->moved = xasprintf("%s.moved", b->dir);
    b->worker = worker_new(&(struct history_disk_options){
        .dir = b->dir, .keep_ms = {[TIER_10S] = DAY_MS, [TIER_1M] = DAY_MS, [TIER_1H] = DAY_MS}
    });
}

static void bench_close(struct bench *b)
{
    worker_free(b->worker);
    free(b->dir);
    free(b->moved);
}

static void make_tick(struct buf *b)
{
    int64_t values[CONTAINER_METRICS] = {0};

    assert_int_equal(tick_append(b, "web", values, CONTAINER_METRICS), 0);
}

/* A round of one host, with rows from that step on. */
struct round_of {
    const char *host;
    int64_t now_ms, first;
    size_t n;
    bool is_bad, is_rollup_due;
    size_t n_dropped; /* result of the round */
};

static int run_round(struct bench *b, struct round_of *o)
{
    struct worker_round round = {.now_ms = o->now_ms, .is_rollup_due = o->is_rollup_due};
    int64_t first = o->first;
    size_t n = o->n;
    int r;

    round.rows = xcalloc(n + 1, sizeof(*round.rows));
    for (; round.n_rows < n; round.n_rows++) {
        struct buf data = BUF_INIT(TICK_MAX_SIZE);

        if (o->is_bad) {
            assert_int_equal(buf_append(&data, "\xff", 1), 0);
        } else {
            make_tick(&data);
        }
        round.rows[round.n_rows] = (struct pending_row){
            .host = xstrdup(o->host), .size = data.size, .step = first + (int64_t)round.n_rows};
        round.rows[round.n_rows].data = buf_take(&data);
    }
    worker_run(b->worker, &round);
    r = round.code;
    o->n_dropped = round.n_dropped;
    assert_true(r < 0 || round.has_written);
    worker_round_done(&round);
    return r;
}

static int run(struct bench *b, int64_t first, size_t n, bool is_good, bool is_rollup_due)
{
    struct round_of o = {.host = "host",
                         .now_ms = NOW,
                         .first = first,
                         .n = n,
                         .is_bad = !is_good,
                         .is_rollup_due = is_rollup_due};

    return run_round(b, &o);
}

static void put_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
}

/* The head is damaged and the directory is missing, so that no new head can be created: the worker
 * tries again. */
static void test_missing_head_is_tried_again(void **state)
{
    struct worker_question q = {
        .query = {"host", "web", NOW - 3600000, NOW, 10000, 1}
    };
    struct bench b;
    int64_t first = NOW / STEP - SEAL_ROWS - 10; /* rows that are sealed because of their age */

    bench_open(&b, state);
    assert_int_equal(run(&b, first, SEAL_ROWS, true, false), 0);
    assert_int_equal(run(&b, first + SEAL_ROWS, SEAL_ROWS - 1, false, false), 0);
    assert_int_equal(rename(b.dir, b.moved), 0);
    put_file(b.dir);
    assert_true(run(&b, first + INT64_C(2) * SEAL_ROWS, 1, false, true) < 0);
    assert_true(run(&b, first + INT64_C(2) * SEAL_ROWS, 1, true, true) < 0);
    worker_ask(b.worker, &q);
    assert_true(q.code < 0);
    assert_int_equal(unlink(b.dir), 0);
    assert_int_equal(rename(b.moved, b.dir), 0);
    assert_int_equal(run(&b, first + INT64_C(2) * SEAL_ROWS, 1, true, true),
                     -EUCLEAN); /* the damaged head is set aside now */
    assert_int_equal(run(&b, first + INT64_C(2) * SEAL_ROWS, 1, true, true), 0);
    bench_close(&b);
}

/* Old files are removed even if nothing can be written. */
static void test_expiry_runs_when_writing_fails(void **state)
{
    struct bench b;
    char name[TIER_FILE_NAME_SIZE];
    _cleanup_free_ char *path = NULL, *today = NULL;

    bench_open(&b, state);
    assert_int_equal(run(&b, NOW / STEP - 1, 1, true, false), 0);
    tier_file_name(TIER_1M, tier_file_start(TIER_1M, NOW - 5 * DAY_MS), name);
    path = xasprintf("%s/%s", b.dir, name);
    put_file(path);
    tier_file_name(TIER_10S, tier_file_start(TIER_10S, NOW), name);
    today = xasprintf("%s/%s", b.dir, name);
    assert_int_equal(symlink("/nowhere", today), 0); /* a link that cannot be opened */
    assert_true(run(&b, NOW / STEP - SEAL_ROWS, SEAL_ROWS - 1, true, true) < 0);
    assert_int_equal(access(path, F_OK), -1);
    bench_close(&b);
}

static size_t count_known(struct bench *b, const char *host, int64_t from_ms, int64_t to_ms)
{
    struct worker_question q = {
        .query = {host, "web", from_ms, to_ms, 10000, 1}
    };
    size_t n = 0;

    worker_ask(b->worker, &q);
    assert_int_equal(q.code, 0);
    for (size_t i = 0; i < q.points.n; i++)
        n += history_points_have(&q.points, i);
    history_points_done(&q.points);
    return n;
}

/* While the file of a day cannot be created, the head keeps the newest hours; other hosts and days
 * are not affected. */
static void test_head_that_cannot_be_sealed_is_limited(void **state)
{
    struct bench b;
    struct round_of o = {.host = "stuck", .n = 90}, other = {.host = "other", .n = SEAL_ROWS};
    int64_t yesterday = NOW - DAY_MS;
    char name[TIER_FILE_NAME_SIZE];
    _cleanup_free_ char *path = NULL;
    size_t n_dropped = 0, n_kept;

    bench_open(&b, state);
    o.now_ms = yesterday;
    o.first = yesterday / STEP;
    assert_int_equal(run_round(&b, &(struct round_of){.host = "stuck", .now_ms = yesterday}), 0);
    tier_file_name(TIER_10S, tier_file_start(TIER_10S, yesterday), name);
    path = xasprintf("%s/%s", b.dir, name);
    assert_int_equal(symlink("/nowhere", path), 0); /* a link that cannot be opened */
    for (int i = 0; i < 40; i++, o.first += 90, o.now_ms += 90 * STEP) {
        int r = run_round(&b, &o);

        assert_int_equal(r<0, i> 0);
        n_dropped += o.n_dropped;
    }
    other.first = NOW / STEP;
    other.now_ms = o.now_ms;
    /* rows of today are sealed, the others stay in the head */
    assert_true(run_round(&b, &other) < 0);
    for (int i = 0; i < 10; i++) {
        other.now_ms += 1000;
        other.n = 0;
        assert_true(run_round(&b, &other) < 0);
    }
    assert_int_equal(count_known(&b, "other", NOW, NOW + SEAL_ROWS * STEP), SEAL_ROWS);
    assert_int_equal(unlink(path), 0);
    n_kept = count_known(&b, "stuck", yesterday, yesterday + INT64_C(3600) * STEP);
    assert_in_range(n_kept, WORKER_MAX_ROWS / 2, WORKER_MAX_ROWS + 90);
    assert_int_equal(n_kept + n_dropped, 40 * 90);
    assert_int_equal(count_known(&b, "stuck", o.now_ms - 90 * STEP, o.now_ms), 90);
    other.now_ms += 20000;
    assert_int_equal(run_round(&b, &other), 0);
    assert_int_equal(count_known(&b, "stuck", yesterday, yesterday + INT64_C(3600) * STEP), n_kept);
    bench_close(&b);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_empty, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_missing_head_is_tried_again),
        TEST(test_expiry_runs_when_writing_fails),
        TEST(test_head_that_cannot_be_sealed_is_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
