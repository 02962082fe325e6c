/*
 * The disk that one host takes is bounded, whatever its agent sends: series per file (disk_test.c),
 * times the rows of a file, times the bytes of a row; and marks.
 */

#include "server/history/disk_fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* The next number of a sequence that cannot be compressed. */
static int64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int64_t)(*seed ^ *seed >> 31);
}

static void test_bytes_of_a_row_are_bounded(void **state)
{
    const int64_t far = INT64_C(1) << 62; /* the differences need all bits */

    (void)state;
    for (size_t columns = 1; columns <= CHUNK_MAX_COLUMNS; columns *= 2) {
        struct buf b = BUF_INIT(CHUNK_MAX_SIZE);
        struct history_rows rows;
        int64_t values[CHUNK_MAX_COLUMNS];

        history_rows_init(&rows, columns, CHUNK_MAX_ROWS);
        for (int64_t i = 0; i < CHUNK_MAX_ROWS; i++) {
            for (size_t c = 0; c < columns; c++)
                values[c] = i == 99 ? METRIC_NONE : (i % 2 ? far : -far);
            history_rows_add(&rows, i * i * 1000003, values, columns);
        }
        assert_int_equal(chunk_encode(&rows, &b), 0);
        assert_in_range(b.size, CHUNK_MAX_ROWS * columns * 8,
                        CHUNK_MAX_ROWS * (columns + 1) * CHUNK_MAX_VALUE +
                            columns * CHUNK_MAX_COLUMN_HEAD + CHUNK_MAX_HEAD);
        buf_done(&b);
        history_rows_done(&rows);
    }
}

static int put_rows(struct tier_file *f, void *arg, struct error *err)
{
    struct history_rows rows;
    int64_t values[CONTAINER_METRICS];
    int r;

    history_rows_init(&rows, CONTAINER_METRICS, CHUNK_MAX_ROWS);
    for (int64_t i = 0; i < CHUNK_MAX_ROWS; i++) {
        for (size_t m = 0; m < CONTAINER_METRICS; m++)
            values[m] = next_random(arg);
        history_rows_add(&rows, DAY / STEP + i, values, CONTAINER_METRICS);
    }
    r = tier_file_put(f, &(struct series_key){HOST, "web"}, &rows, err);
    history_rows_done(&rows);
    return r;
}

static void put(struct tier_file *f, uint64_t *seed)
{
    assert_int_equal(tier_file_tx(f, put_rows, seed, NULL), 0);
}

static int64_t size_on_disk(struct history_dir *d)
{
    struct history_disk_listing l;
    int64_t size = 0;

    assert_int_equal(history_disk_list(d->disk, &l, NULL), 0);
    for (size_t i = 0; i < l.n; i++)
        size += l.entries[i].size;
    history_disk_listing_done(&l);
    return size;
}

/* Rows of the same times replace each other, so a file has at most one row for each of its steps. */
static void test_rows_sent_again_take_no_further_bytes(void **state)
{
    struct history_dir d;
    struct tier_file *f;
    uint64_t seed = 1;
    int64_t size;

    dir_open(&d, state);
    assert_int_equal(history_disk_file(d.disk, TIER_10S, DAY, true, &f, NULL), 0);
    for (int i = 0; i < 250; i++) /* until the log of SQLite has its full size, too */
        put(f, &seed);
    size = size_on_disk(&d);
    for (int i = 0; i < 400; i++)
        put(f, &seed);
    assert_in_range(size_on_disk(&d), 1, size + size / 4);
    dir_close(&d);
}

static size_t add_marks(struct tier_file *f, const char *host, int64_t from, int64_t n)
{
    size_t before = tier_file_n_left_out(f);

    for (int64_t i = from; i < from + n; i++) {
        const struct history_mark m = {DAY + i, (char *)(uintptr_t) "started",
                                       (char *)(uintptr_t) ""};

        assert_int_equal(tier_file_add_mark(f, &(struct series_key){host, "web"}, &m, NULL), 0);
    }
    return tier_file_n_left_out(f) - before;
}

static void test_marks_of_a_host_are_limited(void **state)
{
    const struct history_disk_options o = {
        .dir = ((struct fixture *)*state)->dir,
        .keep_ms = {[TIER_10S] = 2 * DAY_MS},
        .series_per_day = 2,
    };
    int64_t max = 2 * (tiers[TIER_1H].file_ms / DAY_MS);
    struct history_disk *disk;
    struct tier_file *f;

    assert_int_equal(history_disk_open(&disk, &o, NULL), 0);
    assert_int_equal(history_disk_file(disk, TIER_1H, DAY, true, &f, NULL), 0);
    assert_int_equal(add_marks(f, HOST, 0, max - 1), 0);
    assert_int_equal(add_marks(f, HOST, 0, max - 1), 0); /* they exist and do not count */
    assert_int_equal(add_marks(f, HOST, max, 10), 9);
    assert_int_equal(add_marks(f, "host-b", 0, max), 0);
    history_disk_close(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_of_a_row_are_bounded),
        TEST(test_rows_sent_again_take_no_further_bytes),
        TEST(test_marks_of_a_host_are_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
