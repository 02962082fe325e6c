#include "base/alloc.h"
#include "net/http_chunks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BODY_MAX 12

static void check(const char *text, size_t piece, enum http_chunks_result want, const char *body)
{
    size_t length = strlen(text), at = 0, used = 0;
    struct buf b = BUF_INIT(BODY_MAX);
    struct http_chunks d = {0};
    enum http_chunks_result got = HTTP_CHUNKS_MORE;

    while (at < length && got == HTTP_CHUNKS_MORE) {
        size_t n = length - at < piece ? length - at : piece;

        got = http_chunks_take(&d, text + at, n, &used, &b);
        at += used;
    }
    if (got != want)
        fail_msg("%s in pieces of %zu gave %d, not %d", text, piece, (int)got, (int)want);
    if (got == HTTP_CHUNKS_END) {
        assert_string_equal(buf_str(&b), body);
        assert_string_equal(text + at, strstr(text, "NEXT") ? "NEXT" : "");
    }
    buf_done(&b);
}

static void test_table(void **state)
{
    static const struct {
        const char *text;
        enum http_chunks_result want;
        const char *body;
    } cases[] = {
        {"0\r\n\r\n",                              HTTP_CHUNKS_END,       ""            },
        {"3\r\nabc\r\n0\r\n\r\n",                  HTTP_CHUNKS_END,       "abc"         },
        {"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nNEXT",   HTTP_CHUNKS_END,       "abcde"       },
        {"C\r\n0123456789ab\r\n0\r\n\r\n",         HTTP_CHUNKS_END,       "0123456789ab"},
        {"0003\r\nabc\r\n000\r\n\r\n",             HTTP_CHUNKS_END,       "abc"         },
        {"3;x=\"y\"\r\nabc\r\n0;last\r\n\r\n",     HTTP_CHUNKS_END,       "abc"         },
        {"0\r\nA: b\r\nContent-Length: 9\r\n\r\n", HTTP_CHUNKS_END,       ""            },
        {"5\r\n\r\n0\r\n\r\n0\r\n\r\nNEXT",        HTTP_CHUNKS_END,       "\r\n0\r\n"   },
        {"3\r\nabc\r\n",                           HTTP_CHUNKS_MORE,      NULL          },
        {"3\r\nabc\r\n0\r\n",                      HTTP_CHUNKS_MORE,      NULL          },
        {"d\r\n",                                  HTTP_CHUNKS_TOO_LARGE, NULL          },
        {"c\r\n0123456789ab\r\n1\r\n",             HTTP_CHUNKS_TOO_LARGE, NULL          },
        {"ffffffffffffffff\r\n",                   HTTP_CHUNKS_TOO_LARGE, NULL          },
        {"10000000000000003\r\nabc\r\n0\r\n\r\n",  HTTP_CHUNKS_TOO_LARGE, NULL          },
        {"00000000000000003\r\nabc\r\n0\r\n\r\n",  HTTP_CHUNKS_MALFORMED, NULL          },
        {"\r\n",                                   HTTP_CHUNKS_MALFORMED, NULL          },
        {";x\r\n",                                 HTTP_CHUNKS_MALFORMED, NULL          },
        {"-1\r\n",                                 HTTP_CHUNKS_MALFORMED, NULL          },
        {"+3\r\nabc\r\n",                          HTTP_CHUNKS_MALFORMED, NULL          },
        {"0x3\r\nabc\r\n",                         HTTP_CHUNKS_MALFORMED, NULL          },
        {" 3\r\nabc\r\n",                          HTTP_CHUNKS_MALFORMED, NULL          },
        {"3 \r\nabc\r\n",                          HTTP_CHUNKS_MALFORMED, NULL          },
        {"3\nabc\r\n",                             HTTP_CHUNKS_MALFORMED, NULL          },
        {"3\r\rabc\r\n",                           HTTP_CHUNKS_MALFORMED, NULL          },
        {"3;a\nb\r\nabc\r\n",                      HTTP_CHUNKS_MALFORMED, NULL          },
        {"3\r\nabcd\r\n",                          HTTP_CHUNKS_MALFORMED, NULL          },
        {"3\r\nabc\n0\r\n",                        HTTP_CHUNKS_MALFORMED, NULL          },
        {"3\r\nabc\rX",                            HTTP_CHUNKS_MALFORMED, NULL          },
        {"0\r\n\n",                                HTTP_CHUNKS_MALFORMED, NULL          },
        {"0\r\n\r\r",                              HTTP_CHUNKS_MALFORMED, NULL          },
        {"0\r\nGET / HTTP/1.1\r\n\r\n",            HTTP_CHUNKS_MALFORMED, NULL          },
        {"0\r\n: b\r\n\r\n",                       HTTP_CHUNKS_MALFORMED, NULL          },
        {"0\r\nA\r\n\r\n",                         HTTP_CHUNKS_MALFORMED, NULL          },
        {"0\r\nA: b\n\r\n",                        HTTP_CHUNKS_MALFORMED, NULL          },
        {"0\r\nA: b\r\n c\r\n\r\n",                HTTP_CHUNKS_MALFORMED, NULL          },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t piece = 1; piece < 64; piece++)
            check(cases[i].text, piece, cases[i].want, cases[i].body);
    }
}

/* Extensions and trailers have one maximum together, however they are divided. */
static void test_spare(void **state)
{
    struct buf many = BUF_INIT((size_t)64 * 1024), trailer = BUF_INIT((size_t)64 * 1024);

    (void)state;
    assert_int_equal(buf_append_str(&trailer, "0\r\n"), 0);
    for (size_t i = 0; i < HTTP_CHUNKS_SPARE_MAX / 8; i++) {
        assert_int_equal(buf_append_str(&trailer, "A: 4567\r\n"), 0);
        if (i < BODY_MAX)
            assert_int_equal(buf_printf(&many, "1;%0*d\r\na\r\n", 400, 0), 0);
    }
    check(many.data, many.size, HTTP_CHUNKS_MALFORMED, NULL);
    check(trailer.data, trailer.size, HTTP_CHUNKS_MALFORMED, NULL);
    trailer.size = HTTP_CHUNKS_SPARE_MAX / 2;
    trailer.data[trailer.size] = '\0';
    check(trailer.data, trailer.size, HTTP_CHUNKS_MORE, NULL);
    buf_done(&many);
    buf_done(&trailer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_spare),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
