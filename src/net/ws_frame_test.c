#include "base/buf.h"
#include "net/ws_frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TEXT_MAX 256

/* Bytes from hex digits, blanks ignored. */
static size_t from_hex(const char *hex, unsigned char *ret)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    bool is_high = true;

    for (; *hex; hex++) {
        const char *digit = strchr(digits, *hex);

        if (!digit)
            continue;
        if (is_high) {
            ret[n] = (unsigned char)((digit - digits) << 4);
        } else {
            ret[n++] |= (unsigned char)(digit - digits);
        }
        is_high = !is_high;
    }
    return n;
}

static char letter_of(enum ws_opcode opcode)
{
    return "?tb?????cpo"[opcode];
}

/*
 * The result of a sequence of frames as text: a letter for the kind, the payload, "." for the end.
 * Pieces of one message are joined, so that the result does not depend on `step`.
 */
static int run(const char *hex, size_t step, struct buf *ret, const char **ret_why)
{
    unsigned char data[TEXT_MAX];
    size_t size = from_hex(hex, data);
    struct ws_parser p = {0};
    char last = 0;

    for (size_t at = 0; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        size_t used = 0;
        struct ws_piece piece;
        int r;

        while ((r = ws_parser_next(&p, data + at + used, n - used, &used, &piece, ret_why)) > 0) {
            if (last != letter_of(piece.opcode))
                assert_int_equal(buf_append_char(ret, letter_of(piece.opcode)), 0);
            assert_int_equal(buf_append(ret, piece.data, piece.size), 0);
            last = letter_of(piece.opcode);
            if (piece.is_last) {
                assert_int_equal(buf_append_char(ret, '.'), 0);
                last = '\0';
            }
        }
        if (r < 0)
            return r;
        assert_int_equal(used, n);
    }
    return 0;
}

static void test_frames(void **state)
{
    static const struct {
        const char *hex;
        const char *want; /* NULL: refused */
    } cases[] = {
        {"81 82 01020304 696b",                                                  "thi."   },
        {"82 82 00000000 6869",                                                  "bhi."   },
        {"81 80 01020304",                                                       "t."     },
        {"81 85 01020304 6060606064",                                            "tabcde."},
        {"01 81 00000000 61 00 80 00000000 00 81 00000000 62 80 81 00000000 63", "tabc."  },
        {"89 82 00000000 7879",                                                  "pxy."   },
        {"89 80 00000000 8a 80 00000000",                                        "p.o."   },
        {"88 80 00000000",                                                       "c."     },
        {"81 fe 0002 00000000 6869",                                             "thi."   },
        {"81 ff 0000000000000002 00000000 6869",                                 "thi."   },
        {"81 02",                                                                NULL     }, /* no mask */
        {"c1 80",                                                                NULL     }, /* compressed */
        {"83 80",                                                                NULL     }, /* reserved opcodes */
        {"8b 80",                                                                NULL     },
        {"09 80",                                                                NULL     }, /* fragmented ping */
        {"89 fe",                                                                NULL     }, /* ping too long */
        {"80 80",                                                                NULL     }, /* continuation of nothing */
        {"01 80 00000000 81 80",                                                 NULL     }, /* message in a message */
        {"81 ff 8000000000000000 00000000",                                      NULL     }, /* length out of range */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t step = 1; step < 40; step++) {
            struct buf got = BUF_INIT(TEXT_MAX);
            const char *why = NULL;
            int r = run(cases[i].hex, step, &got, &why);

            if (cases[i].want) {
                assert_int_equal(r, 0);
                assert_string_equal(buf_str(&got), cases[i].want);
            } else {
                assert_int_equal(r, -EPROTO);
                assert_non_null(why);
            }
            buf_done(&got);
        }
    }
}

/* A ping between the fragments of a message; run() cannot show that independently of the steps. */
static void test_interleaved(void **state)
{
    unsigned char data[TEXT_MAX];
    size_t size = from_hex("01 81 00000000 61 89 80 00000000 80 81 00000000 62", data);
    static const struct {
        enum ws_opcode opcode;
        bool is_last;
    } want[] = {
        {WS_OPCODE_TEXT, false},
        {WS_OPCODE_PING, true },
        {WS_OPCODE_TEXT, true }
    };
    struct ws_parser p = {0};
    size_t used = 0;
    const char *why;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct ws_piece piece;

        assert_int_equal(ws_parser_next(&p, data + used, size - used, &used, &piece, &why), 1);
        assert_int_equal(piece.opcode, want[i].opcode);
        assert_int_equal(piece.is_last, want[i].is_last);
    }
    assert_int_equal(used, size);
}

static void test_prepend(void **state)
{
    static const struct {
        size_t size, head;
        bool is_final;
        unsigned char bytes[10];
    } cases[] = {
        {0,     2,  true,  {0x81, 0}                          },
        {125,   2,  false, {0x01, 125}                        },
        {126,   4,  true,  {0x81, 126, 0, 126}                },
        {65535, 4,  true,  {0x81, 126, 0xff, 0xff}            },
        {65536, 10, true,  {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        unsigned char room[WS_FRAME_HEAD_MAX];
        unsigned char *payload = room + sizeof(room);

        assert_int_equal(
            ws_frame_prepend(payload, WS_OPCODE_TEXT, cases[i].is_final, cases[i].size, NULL),
            cases[i].head);
        assert_memory_equal(payload - cases[i].head, cases[i].bytes, cases[i].head);
    }
}

static void test_close_codes(void **state)
{
    static const unsigned good[] = {1000, 1001, 1007, 1014, 3000, 4999};
    static const unsigned bad[] = {0, 999, 1004, 1005, 1006, 1015, 2999, 5000};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(ws_close_code_is_valid(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(ws_close_code_is_valid(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_interleaved),
        cmocka_unit_test(test_prepend),
        cmocka_unit_test(test_close_codes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
