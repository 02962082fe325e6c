#include "agent/spool/spool_record.h"
#include "base/alloc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static void add(struct buf *b, uint64_t seq, const char *text)
{
    const struct spool_record r = {1, 77, seq, text, strlen(text)};

    assert_int_equal(spool_record_append(b, &r), 0);
}

static size_t count(const void *data, size_t size, size_t *ret_end)
{
    struct spool_record r;
    size_t n = 0;

    *ret_end = 0;
    while (spool_record_next(data, size, ret_end, &r) > 0)
        n++;
    return n;
}

static void test_written_records_are_read_back(void **state _unused_)
{
    struct buf b = BUF_INIT(1024);
    struct spool_record r;
    size_t at = 0;

    add(&b, 1, "one");
    add(&b, UINT64_MAX, "");
    assert_int_equal(spool_record_next(b.data, b.size, &at, &r), 1);
    assert_int_equal(r.kind, 1);
    assert_int_equal(r.epoch, 77);
    assert_int_equal(r.seq, 1);
    assert_int_equal(r.size, 3);
    assert_memory_equal(r.data, "one", 3);
    assert_int_equal(spool_record_size(b.data), at);
    assert_int_equal(spool_record_next(b.data, b.size, &at, &r), 1);
    assert_true(r.seq == UINT64_MAX && r.size == 0);
    assert_int_equal(spool_record_next(b.data, b.size, &at, &r), 0);
    buf_done(&b);
}

/* The format must not change: files outlive versions. */
static void test_format_is_stable(void **state _unused_)
{
    static const unsigned char bytes[] = {0x9,  0x0,  0x0,  0x0,  0x51, 0x77, 0x20, 0x78, 0x1,
                                          0x4d, 0x0,  0x0,  0x0,  0x0,  0x0,  0x0,  0x0,  0x2,
                                          0x0,  0x0,  0x0,  0x0,  0x0,  0x0,  0x0,  0x31, 0x32,
                                          0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39};
    struct buf b = BUF_INIT(1024);

    add(&b, 2, "123456789");
    assert_int_equal(b.size, sizeof(bytes));
    assert_memory_equal(b.data, bytes, sizeof(bytes));
    buf_done(&b);
}

static void test_cut_anywhere_is_detected(void **state _unused_)
{
    struct buf b = BUF_INIT(1024);
    size_t first, end;

    add(&b, 1, "first");
    first = b.size;
    add(&b, 2, "second");
    for (size_t size = 0; size <= b.size; size++) {
        /* allocated with its exact size, for the sanitizer */
        void *copy = xmemdup(b.data, size ? size : 1);
        size_t n = count(copy, size, &end);

        assert_int_equal(n, (size_t)(size >= first) + (size_t)(size == b.size));
        assert_int_equal(end, n == 0 ? 0 : n == 1 ? first : b.size);
        free(copy);
    }
    buf_done(&b);
}

static void test_flipped_bit_is_detected(void **state _unused_)
{
    struct buf b = BUF_INIT(1024);
    size_t first, end;

    add(&b, 1, "first");
    first = b.size;
    add(&b, 2, "second");
    for (size_t bit = 0; bit < b.size * 8; bit++) {
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ (1 << bit % 8));
        assert_int_equal(count(b.data, b.size, &end), bit / 8 < first ? 0 : 1);
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ (1 << bit % 8));
    }
    assert_int_equal(count(b.data, b.size, &end), 2);
    buf_done(&b);
}

static void test_size_is_limited(void **state _unused_)
{
    struct buf small = BUF_INIT(SPOOL_RECORD_HEAD + 2);
    struct spool_record r = {1, 1, 1, "abc", 3};
    unsigned char head[SPOOL_RECORD_HEAD] = {1, 0, 0x40, 0};

    assert_int_equal(spool_record_append(&small, &r), -EMSGSIZE);
    assert_int_equal(small.size, 0);
    r.size = SPOOL_RECORD_MAX + 1;
    assert_int_equal(spool_record_append(&small, &r), -EMSGSIZE);
    assert_int_equal(spool_record_size(head), 0);
    head[0] = 0;
    assert_int_equal(spool_record_size(head), SPOOL_RECORD_HEAD + SPOOL_RECORD_MAX);
    buf_done(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_records_are_read_back),
        cmocka_unit_test(test_format_is_stable),
        cmocka_unit_test(test_cut_anywhere_is_detected),
        cmocka_unit_test(test_flipped_bit_is_detected),
        cmocka_unit_test(test_size_is_limited),
    };

    return cmocka_run_group_tests_name("spool_record", tests, NULL, NULL);
}
