#include "base/alloc.h"
#include "proto/metric.h"
#include "server/history/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START INT64_C(1763900000000)

static struct ring_row row_at(int64_t at_ms, int64_t v)
{
    struct ring_row row = {.at_ms = at_ms};

    for (size_t c = 0; c < RING_COLUMNS; c++)
        row.values[c] = v + (int64_t)c;
    return row;
}

static void assert_rows(const struct ring *ring, const struct ring_row *rows, size_t n)
{
    struct ring_reader reader;
    struct ring_row row;

    ring_read_start(&reader, ring, INT64_MIN);
    for (size_t i = 0; i < n; i++) {
        assert_true(ring_read_next(&reader, &row));
        assert_int_equal(row.at_ms, rows[i].at_ms);
        assert_memory_equal(row.values, rows[i].values, sizeof(row.values));
    }
    assert_false(ring_read_next(&reader, &row));
}

static void test_added_rows_are_read_back(void **state)
{
    static const int64_t values[] = {
        0,
        1,
        METRIC_NONE,
        METRIC_NONE,
        1,
        -1,
        4096,
        8192,
        12287,
        INT64_C(1) << 59,
        -(INT64_C(1) << 59),
        INT64_C(1) << 59,
        METRIC_NONE,
        -(INT64_C(1) << 59),
        0,
    };
    struct ring_row rows[ARRAY_LEN(values) * RING_COLUMNS];
    struct ring ring = {0};
    struct ring_pool pool = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        rows[i].at_ms = START + (int64_t)(i * 1000 + i % 3 * 7);
        for (size_t c = 0; c < RING_COLUMNS; c++)
            rows[i].values[c] = values[(i * (c + 1)) % ARRAY_LEN(values)];
        assert_true(ring_add(&ring, &pool, &rows[i]));
    }
    assert_rows(&ring, rows, ARRAY_LEN(rows));
    ring_done(&ring, &pool);
    assert_true(ring_is_empty(&ring));
    assert_int_equal(pool.bytes, 0);
}

static void test_values_out_of_range_are_unknown(void **state)
{
    struct ring_row row = row_at(START, 5);
    struct ring ring = {0};
    struct ring_pool pool = {0};

    (void)state;
    row.values[3] = INT64_MAX;
    row.values[4] = INT64_MIN + 1;
    assert_true(ring_add(&ring, &pool, &row));
    row.values[3] = row.values[4] = METRIC_NONE;
    assert_rows(&ring, &row, 1);
    ring_done(&ring, &pool);
}

static size_t count(const struct ring *ring, int64_t after_ms, int64_t *ret_first)
{
    struct ring_reader reader;
    struct ring_row row;
    size_t n = 0;

    ring_read_start(&reader, ring, after_ms);
    while (ring_read_next(&reader, &row)) {
        if (n++ == 0)
            *ret_first = row.at_ms;
    }
    return n;
}

static void test_newest_rows_are_read(void **state)
{
    struct ring ring = {0};
    struct ring_pool pool = {0};

    (void)state;
    for (int i = 0; i < 600; i++) {
        struct ring_row row = row_at(START + (int64_t)i * 1000, (int64_t)i * 12345);

        assert_true(ring_add(&ring, &pool, &row));
    }
    assert_true(ring.n_blocks > 3);
    for (size_t n = 1; n < 300; n += 7) {
        struct ring_reader reader;
        struct ring_row row = {0};
        size_t n_rows = ring_read_newest(&reader, &ring, n), n_read = 0;

        assert_true(n_rows >= n && n_rows < n + RING_BLOCK_DATA);
        while (ring_read_next(&reader, &row))
            n_read++;
        assert_int_equal(n_read, n_rows);
        assert_int_equal(row.at_ms, START + INT64_C(599) * 1000);
    }
    ring_done(&ring, &pool);
}

static void test_last_15_minutes_are_kept(void **state)
{
    struct ring ring = {0};
    struct ring_pool pool = {0};
    int64_t first = 0, at = START;

    (void)state;
    for (int i = 0; i < 3600; i++, at += 1000) {
        struct ring_row row = row_at(at, i);

        assert_true(ring_add(&ring, &pool, &row));
    }
    at -= 1000;
    assert_int_equal(count(&ring, INT64_MIN, &first), 901);
    assert_int_equal(first, at - RING_SPAN_MS);
    assert_int_equal(count(&ring, at - 10000, &first), 10);
    assert_int_equal(first, at - 9000);
    assert_int_equal(count(&ring, at, &first), 0);

    /* after a break, all earlier rows are dropped */
    struct ring_row late = row_at(at + 3600000, 1);

    assert_true(ring_add(&ring, &pool, &late));
    assert_in_range(count(&ring, INT64_MIN, &first), 1, 1);
    ring_done(&ring, &pool);
}

static void test_row_that_is_not_newer_is_ignored(void **state)
{
    struct ring_row row = row_at(START, 1);
    struct ring ring = {0};
    struct ring_pool pool = {0};
    int64_t first;

    (void)state;
    assert_true(ring_add(&ring, &pool, &row));
    assert_false(ring_add(&ring, &pool, &row));
    row.at_ms += RING_MIN_GAP_MS - 1;
    assert_false(ring_add(&ring, &pool, &row));
    row.at_ms = START - RING_SPAN_MS;
    assert_false(ring_add(&ring, &pool, &row));
    assert_int_equal(count(&ring, INT64_MIN, &first), 1);
    row.at_ms = START - RING_SPAN_MS - 1; /* the clock was set back */
    assert_true(ring_add(&ring, &pool, &row));
    assert_int_equal(count(&ring, INT64_MIN, &first), 1);
    assert_int_equal(first, row.at_ms);
    ring_done(&ring, &pool);
}

/* The worst rows: every column jumps from one extreme to the other. */
static void test_ring_is_bounded(void **state)
{
    struct ring ring = {0};
    struct ring_pool pool = {0};
    struct ring_row row = {.at_ms = START};

    (void)state;
    for (int i = 0; i < 5000; i++, row.at_ms += 250 + i % 2 * INT64_C(7000)) {
        for (size_t c = 0; c < RING_COLUMNS; c++)
            row.values[c] = (i % 2 ? 1 : -1) * ((INT64_C(1) << 59) - i);
        assert_true(ring_add(&ring, &pool, &row));
        assert_in_range(pool.bytes, 1, RING_MAX_BLOCKS * sizeof(struct ring_block));
    }
    ring_done(&ring, &pool);
}

/* A container under load: the aim is 6 KB for 15 minutes at 1 s. */
static void test_typical_container_takes_6_kb(void **state)
{
    struct ring ring = {0};
    struct ring_pool pool = {0};
    struct ring_row row = {.at_ms = START};
    uint32_t seed = 1;

    (void)state;
    row.values[1] = 100 << 20;
    row.values[2] = 512 << 20;
    for (int i = 0; i < 900; i++) {
        seed = seed * 1664525 + 1013904223;
        row.at_ms += 998 + seed % 5;
        row.values[0] = 100 + (int64_t)(seed >> 8) % 50;
        if (i % 3 == 0)
            row.values[1] += ((int64_t)(seed >> 12) % 64 - 32) * 4096;
        if (i % 2 == 0) {
            row.values[3] += (int64_t)(seed >> 10) % 3000;
            row.values[4] += (int64_t)(seed >> 14) % 3000;
        }
        if (i % 10 == 0)
            row.values[6] += 4096 * ((int64_t)(seed >> 20) % 10);
        assert_true(ring_add(&ring, &pool, &row));
    }
    print_message("15 minutes at 1 s: %zu bytes\n", pool.bytes + sizeof(ring));
    assert_in_range(pool.bytes + sizeof(ring), 900, 7000);
    ring_done(&ring, &pool);
}

/* Rings that need more than the maximum of their pool all reach back less far; none loses its
 * newest row. */
static void test_rings_of_a_pool_share_a_maximum(void **state)
{
    enum { N = 50 };
    struct ring_pool pool = {.max_bytes = (size_t)N * 3000};
    struct ring rings[N] = {0};
    int64_t first = 0, at = START;

    (void)state;
    for (int i = 0; i < 900; i++, at += 1000) {
        for (int k = 0; k < N; k++) {
            struct ring_row row = row_at(at, i * 1000 % (7901 + k));

            assert_true(ring_add(&rings[k], &pool, &row));
        }
        assert_in_range(pool.bytes, 1, pool.max_bytes + N * sizeof(struct ring_block));
    }
    assert_true(pool.cut_ms > START);
    for (int k = 0; k < N; k++) {
        assert_int_equal(count(&rings[k], at - 31000, &first), 30);
        assert_in_range(count(&rings[k], INT64_MIN, &first), 60, 400);
    }
    for (int k = 0; k < N; k++)
        ring_done(&rings[k], &pool);
    assert_int_equal(pool.bytes, 0);
}

/* The cut is a time: after the clock was set back, it must not cut every later row. */
static void test_cut_is_forgotten_when_the_clock_is_set_back(void **state)
{
    struct ring_pool pool = {.max_bytes = 4 * sizeof(struct ring_block)};
    struct ring ring = {0};
    int64_t first = 0, at = START;

    (void)state;
    for (int i = 0; i < 900; i++, at += 1000) {
        struct ring_row row = row_at(at, i * 1000 % 7901);

        assert_true(ring_add(&ring, &pool, &row));
    }
    assert_true(pool.cut_ms > START);
    pool.max_bytes = 0;
    at = START - 2 * RING_SPAN_MS;
    for (int i = 0; i < 600; i++, at += 1000) {
        struct ring_row row = row_at(at, i * 1000 % 7901);

        assert_true(ring_add(&ring, &pool, &row));
    }
    assert_true(ring.n_blocks > 1);
    assert_int_equal(count(&ring, INT64_MIN, &first), 600);
    assert_int_equal(first, START - 2 * RING_SPAN_MS);
    ring_done(&ring, &pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_added_rows_are_read_back),
        cmocka_unit_test(test_values_out_of_range_are_unknown),
        cmocka_unit_test(test_newest_rows_are_read),
        cmocka_unit_test(test_last_15_minutes_are_kept),
        cmocka_unit_test(test_row_that_is_not_newer_is_ignored),
        cmocka_unit_test(test_ring_is_bounded),
        cmocka_unit_test(test_typical_container_takes_6_kb),
        cmocka_unit_test(test_rings_of_a_pool_share_a_maximum),
        cmocka_unit_test(test_cut_is_forgotten_when_the_clock_is_set_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
