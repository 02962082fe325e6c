#include "base/macros.h"
#include "server/common/gzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>
/* cmocka.h needs them first */
#include <cmocka.h>

/* Unpacks what is there; returns the number of bytes. */
static size_t unpack(z_stream *in, const struct buf *packed, char *to, size_t size)
{
    int r;

    in->next_in = (z_const Bytef *)(uintptr_t)packed->data;
    in->avail_in = (uInt)packed->size;
    in->next_out = (Bytef *)(uintptr_t)to;
    in->avail_out = (uInt)size;
    r = inflate(in, Z_SYNC_FLUSH);
    assert_true(r == Z_OK || r == Z_STREAM_END);
    assert_int_equal(in->avail_in, 0);
    return size - in->avail_out;
}

static void test_each_piece_can_be_read_when_it_arrives(void **state)
{
    static const size_t sizes[] = {1, 5, 0, 70000, 300, 65536};
    static char text[70000], back[80000];
    struct gzip *z = gzip_new();
    z_stream in = {0};

    (void)state;
    assert_int_equal(inflateInit2(&in, 15 + 16), Z_OK);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + (i * i / 7 + i) % 26);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct buf packed = BUF_INIT(SIZE_MAX / 2);
        bool is_last = i + 1 == ARRAY_LEN(sizes);

        gzip_write(z, text, sizes[i], is_last, &packed);
        if (sizes[i] > 0) {
            assert_int_equal(unpack(&in, &packed, back, sizeof(back)), sizes[i]);
            assert_memory_equal(back, text, sizes[i]);
        }
        buf_done(&packed);
    }
    assert_int_equal(inflate(&in, Z_FINISH), Z_STREAM_END);
    (void)inflateEnd(&in);
    gzip_free(z);
    gzip_free(gzip_new()); /* a client that left before the end */
    gzip_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_piece_can_be_read_when_it_arrives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
