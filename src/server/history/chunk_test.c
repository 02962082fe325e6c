#include "base/alloc.h"
#include "proto/metric.h"
#include "server/history/chunk.h"

/* cmocka includes need these first, in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#define N    METRIC_NONE
#define ROWS 120

/* The value of a column in a row. */
typedef int64_t (*column_fn)(size_t row);

static int64_t constant(size_t row)
{
    (void)row;
    return 7;
}

static int64_t counter(size_t row)
{
    return (int64_t)row * 1500 + (int64_t)(row % 3);
}

static int64_t extremes(size_t row)
{
    static const int64_t values[] = {INT64_MAX, INT64_MIN + 1, 0, -1, 1, INT64_MAX};

    return values[row % ARRAY_LEN(values)];
}

static int64_t with_gaps(size_t row)
{
    return row % 7 < 3 ? N : (int64_t)row;
}

static int64_t nothing(size_t row)
{
    (void)row;
    return N;
}

static const column_fn columns[] = {constant, counter, extremes, with_gaps, nothing};

static void fill(struct history_rows *rows, size_t n)
{
    int64_t values[ARRAY_LEN(columns)];

    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < ARRAY_LEN(columns); c++)
            values[c] = columns[c](i);
        history_rows_add(rows, 179000000 + (int64_t)(i < 50 ? i : i * 3), values,
                         ARRAY_LEN(columns));
    }
}

static void test_decoded_rows_are_those_that_were_encoded(void **state)
{
    (void)state;
    for (size_t n = 0; n <= CHUNK_MAX_ROWS; n += n < 3 ? 1 : 39) {
        struct history_rows in, out;
        struct buf b = BUF_INIT(CHUNK_MAX_SIZE);

        history_rows_init(&in, ARRAY_LEN(columns), CHUNK_MAX_ROWS);
        history_rows_init(&out, ARRAY_LEN(columns), CHUNK_MAX_ROWS);
        fill(&in, n);
        assert_int_equal(chunk_encode(&in, &b), 0);
        assert_int_equal(chunk_decode(b.data, b.size, UINT64_MAX, &out, NULL), 0);
        assert_int_equal(out.n, n);
        assert_memory_equal(out.at, in.at, n * sizeof(*in.at));
        for (size_t c = 0; c < ARRAY_LEN(columns); c++) {
            assert_memory_equal(history_rows_column(&out, c), history_rows_column(&in, c),
                                n * sizeof(*in.values));
        }
        buf_done(&b);
        history_rows_done(&in);
        history_rows_done(&out);
    }
}

static void test_only_wanted_columns_are_decoded(void **state)
{
    struct history_rows in, wider, narrower;
    struct buf b = BUF_INIT(CHUNK_MAX_SIZE);

    (void)state;
    history_rows_init(&in, ARRAY_LEN(columns), CHUNK_MAX_ROWS);
    history_rows_init(&wider, ARRAY_LEN(columns) + 2, CHUNK_MAX_ROWS);
    history_rows_init(&narrower, 2, CHUNK_MAX_ROWS);
    fill(&in, ROWS);
    assert_int_equal(chunk_encode(&in, &b), 0);

    assert_int_equal(chunk_decode(b.data, b.size, 1U << 1, &wider, NULL), 0);
    assert_int_equal(history_rows_column(&wider, 0)[5], N);
    assert_int_equal(history_rows_column(&wider, 1)[5], counter(5));
    assert_int_equal(history_rows_column(&wider, ARRAY_LEN(columns))[5], N);

    assert_int_equal(chunk_decode(b.data, b.size, UINT64_MAX, &narrower, NULL), 0);
    assert_int_equal(history_rows_column(&narrower, 1)[ROWS - 1], counter(ROWS - 1));
    buf_done(&b);
    history_rows_done(&in);
    history_rows_done(&wider);
    history_rows_done(&narrower);
}

/* A chunk that was cut anywhere, or has any one bit flipped, is refused. */
static void test_damaged_chunk_is_refused(void **state)
{
    struct history_rows in, out;
    struct buf b = BUF_INIT(CHUNK_MAX_SIZE);
    struct error err;

    (void)state;
    history_rows_init(&in, ARRAY_LEN(columns), CHUNK_MAX_ROWS);
    history_rows_init(&out, ARRAY_LEN(columns), CHUNK_MAX_ROWS);
    fill(&in, 30);
    assert_int_equal(chunk_encode(&in, &b), 0);
    for (size_t size = 0; size < b.size; size++) {
        char *copy = xmemdup(b.data, size ? size : 1);

        assert_int_equal(chunk_decode(copy, size, UINT64_MAX, &out, &err), -EBADMSG);
        assert_int_equal(out.n, 0);
        free(copy);
    }
    for (size_t bit = 0; bit < b.size * 8; bit++) {
        ((uint8_t *)b.data)[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(chunk_decode(b.data, b.size, UINT64_MAX, &out, &err), -EBADMSG);
        ((uint8_t *)b.data)[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_non_null(strstr(err.msg, "is damaged"));
    buf_done(&b);
    history_rows_done(&in);
    history_rows_done(&out);
}

/* Constant columns take nearly no space, which is the reason for the layout. */
static void test_constant_columns_are_small(void **state)
{
    struct history_rows rows;
    struct buf b = BUF_INIT(CHUNK_MAX_SIZE);
    const int64_t values[] = {250, 12345678, 2 << 20, 0, 0, 5};

    (void)state;
    history_rows_init(&rows, ARRAY_LEN(values), CHUNK_MAX_ROWS);
    for (int64_t i = 0; i < ROWS; i++)
        history_rows_add(&rows, 179000000 + i, values, ARRAY_LEN(values));
    assert_int_equal(chunk_encode(&rows, &b), 0);
    assert_true(b.size < 64);
    buf_clear(&b);
    b.max = 40;
    assert_int_equal(chunk_encode(&rows, &b), -EMSGSIZE);
    buf_done(&b);
    history_rows_done(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoded_rows_are_those_that_were_encoded),
        cmocka_unit_test(test_only_wanted_columns_are_decoded),
        cmocka_unit_test(test_damaged_chunk_is_refused),
        cmocka_unit_test(test_constant_columns_are_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
