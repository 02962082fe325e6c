#include "base/alloc.h"
#include "fuzz.h"
#include "net/http_parser.h"

#include <assert.h>

/* The first byte chooses the kind of request, the second the size of the pieces. */

static enum http_piece feed(struct http_parser *p, const char *piece, size_t size, size_t *total)
{
    const char *at = piece;
    size_t left = size;

    for (;;) {
        const char *body = NULL;
        size_t n = 0;
        enum http_piece what = http_parser_next(p, &at, &left, &body, &n);

        assert(at + left == piece + size);
        if (what == HTTP_BODY) {
            assert(n > 0 && body >= piece && body + n <= piece + size);
            *total += n;
        } else if (what != HTTP_HEAD) {
            assert(what != HTTP_MORE || left == 0);
            return what;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_parser p;
    enum http_piece what = HTTP_MORE;
    size_t total = 0;
    size_t step;

    if (size < 2)
        return 0;
    http_parser_init(&p, 300);
    p.is_upgrade = data[0] & 1;
    p.is_head_request = data[0] & 2;
    step = 1 + data[1] % 32U;
    for (size_t i = 2; i < size && what == HTTP_MORE; i += step) {
        size_t n = size - i < step ? size - i : step;
        /* A separate copy, so that the sanitizer reports a read behind it. */
        _cleanup_free_ char *piece = xmemdup(data + i, n);

        what = feed(&p, piece, n, &total);
    }
    assert(total <= size);
    assert(what != HTTP_ERROR || p.problem);
    (void)http_parser_eof(&p);
    http_parser_done(&p);
    return 0;
}
