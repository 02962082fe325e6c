#include "server/common/gzip.h"
#include "base/alloc.h"

#include <assert.h>
#include <zlib.h>

#define LEVEL       1 /* metrics shrink to a tenth; higher levels take thrice the time for a fifth less */
#define WINDOW_GZIP (15 + 16)
#define MEMORY      8 /* zlib's default */
#define PIECE       ((size_t)16 << 10)

struct gzip {
    z_stream stream;
};

static void *allocate(void *owner _unused_, unsigned n, unsigned size)
{
    return xcalloc(n, size);
}

static void release(void *owner _unused_, void *memory)
{
    free(memory);
}

struct gzip *gzip_new(void)
{
    struct gzip *z = xcalloc(1, sizeof(*z));
    int r;

    z->stream.zalloc = allocate;
    z->stream.zfree = release;
    r = deflateInit2(&z->stream, LEVEL, Z_DEFLATED, WINDOW_GZIP, MEMORY, Z_DEFAULT_STRATEGY);
    assert(r == Z_OK); /* the arguments are valid */
    return z;
}

void gzip_free(struct gzip *z)
{
    if (!z)
        return;
    (void)deflateEnd(&z->stream); /* complains about a stream without its end */
    free(z);
}

void gzip_write(struct gzip *z, const void *data, size_t size, bool is_last, struct buf *out)
{
    unsigned char piece[PIECE];

    assert(size <= UINT32_MAX);
    z->stream.next_in = (z_const Bytef *)(uintptr_t)data;
    z->stream.avail_in = (uInt)size;
    do {
        int r;

        z->stream.next_out = piece;
        z->stream.avail_out = sizeof(piece);
        r = deflate(&z->stream, is_last ? Z_FINISH : Z_SYNC_FLUSH);
        assert(r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR); /* the last: nothing to do */
        (void)buf_append(out, piece, sizeof(piece) - z->stream.avail_out);
    } while (z->stream.avail_out == 0);
}
