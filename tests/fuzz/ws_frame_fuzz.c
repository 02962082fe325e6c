#include "base/alloc.h"
#include "base/buf.h"
#include "fuzz.h"
#include "net/ws_frame.h"

#include <assert.h>
#include <string.h>

/* Returns the output of a parser that gets `step` bytes at a time; joins pieces of a message. */
static int run(const uint8_t *data, size_t size, size_t step, bool is_client, struct buf *ret)
{
    unsigned char *copy = size ? xmemdup(data, size) : NULL;
    struct ws_parser p = {.is_client = is_client};
    int r = 0;

    for (size_t at = 0; at < size && r >= 0; at += step) {
        size_t n = size - at < step ? size - at : step;
        size_t used = 0;
        struct ws_piece piece;
        const char *why = NULL;

        while ((r = ws_parser_next(&p, copy + at + used, n - used, &used, &piece, &why)) > 0) {
            bool is_control = piece.opcode >= WS_OPCODE_CLOSE;

            assert(used <= n);
            assert(piece.opcode != WS_OPCODE_CONTINUATION);
            assert(!is_control || (piece.is_last && piece.size <= WS_FRAME_CONTROL_MAX));
            (void)buf_append(ret, piece.data, piece.size);
            if (piece.is_last)
                (void)buf_append_char(ret, (char)('A' + piece.opcode));
        }
        assert(r < 0 ? why != NULL : used == n);
    }
    free(copy);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int is_client = 0; is_client < 2; is_client++) {
        struct buf whole = BUF_INIT(size * 2), bytes = BUF_INIT(size * 2);
        int r = run(data, size, size ? size : 1, is_client, &whole);

        assert(run(data, size, 1, is_client, &bytes) == r);
        assert(whole.size == bytes.size);
        assert(!whole.size || memcmp(whole.data, bytes.data, whole.size) == 0);
        buf_done(&whole);
        buf_done(&bytes);
    }
    return 0;
}
