#include "server/history/disk_fixture.h"
#include "base/alloc.h"
#include "server/history/rollup.h"
#include "server/history/seal.h"
#include "server/history/tick.h"

const struct history_query whole_day = {
    .host = HOST,
    .series = "web",
    .from_ms = DAY,
    .to_ms = DAY + DAY_MS,
    .step_ms = 10000,
    .columns = 1U << CONTAINER_CPU | 1U << CONTAINER_NET_RX | 1U << CONTAINER_STARTED_AT,
};

void dir_open(struct history_dir *d, void **state)
{
    const struct history_disk_options o = {
        .dir = d->path = xstrdup(((struct fixture *)*state)->dir),
        .keep_ms = {[TIER_10S] = 2 * DAY_MS,
                    [TIER_1M] = 14 * DAY_MS,
                    [TIER_10M] = 90 * DAY_MS,
                    [TIER_1H] = 730 * DAY_MS},
    };

    d->fixture = *state;
    assert_int_equal(history_disk_open(&d->disk, &o, NULL), 0);
}

void dir_close(struct history_dir *d)
{
    history_disk_close(TAKE_PTR(d->disk));
    free(d->path);
}

void values_of(int64_t i, int64_t values[CONTAINER_METRICS])
{
    for (size_t m = 0; m < CONTAINER_METRICS; m++)
        values[m] = METRIC_NONE;
    values[CONTAINER_CPU] = i % 100;
    values[CONTAINER_NET_RX] = i * 1000;
    values[CONTAINER_STARTED_AT] = DAY;
}

void append_host(struct history_dir *d,
                 const char *host,
                 const char *name,
                 int64_t from_ms,
                 int64_t first,
                 int64_t n)
{
    for (int64_t i = first; i < first + n; i++) {
        struct buf b = BUF_INIT(TICK_MAX_SIZE);
        int64_t values[CONTAINER_METRICS];
        struct history_head_row row = {.host = host, .at = from_ms / STEP + i};

        values_of(i, values);
        assert_int_equal(tick_append(&b, name, values, CONTAINER_METRICS), 0);
        row.data = b.data;
        row.size = b.size;
        assert_int_equal(history_head_append(history_disk_head(d->disk), &row, 1, NULL), 0);
        buf_done(&b);
    }
}

void append_series(
    struct history_dir *d, const char *name, int64_t from_ms, int64_t first, int64_t n)
{
    append_host(d, HOST, name, from_ms, first, n);
}

void append(struct history_dir *d, int64_t from_ms, int64_t first, int64_t n)
{
    append_series(d, "web", from_ms, first, n);
}

void expect_steps(struct history_dir *d, int64_t first, int64_t n)
{
    struct history_points p;

    assert_int_equal(history_read(d->disk, &whole_day, &p, NULL), 0);
    assert_int_equal(p.n, N_DAY);
    for (int64_t i = 0; i < N_DAY; i++) {
        bool is_there = i >= first && i < first + n;

        assert_int_equal(history_points_have(&p, (size_t)i), is_there);
        assert_int_equal(history_points_get(&p, (size_t)i, CONTAINER_CPU).mean,
                         is_there ? i % 100 : METRIC_NONE);
        assert_int_equal(history_points_get(&p, (size_t)i, CONTAINER_NET_RX).mean,
                         is_there ? i * 1000 : METRIC_NONE);
        assert_int_equal(history_points_get(&p, (size_t)i, CONTAINER_MEM_USED).mean, METRIC_NONE);
    }
    history_points_done(&p);
}

void seal(struct history_dir *d)
{
    int64_t first;

    assert_int_equal(seal_host(d->disk, HOST, NULL), 0);
    assert_int_equal(history_head_first(history_disk_head(d->disk), HOST, &first, NULL), 0);
}

void roll_all(struct history_dir *d, int64_t now_ms)
{
    int r;

    while ((r = rollup_step(d->disk, now_ms, NULL)) > 0)
        continue;
    assert_int_equal(r, 0);
}
