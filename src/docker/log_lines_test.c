#include "base/alloc.h"
#include "docker/log_lines.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define T1         "2026-11-23T01:53:00.000000001Z "
#define T2         "2026-11-23T01:53:00.000000002Z "
#define T3         "2026-11-23T01:53:00.000000003Z "
#define T4         "2026-11-23T01:53:01.000000000Z "
#define STAMP_SIZE (sizeof(T1) - 1)

static void add_frame(struct buf *b, unsigned char stream, const char *data, size_t size)
{
    unsigned char header[8] = {stream,
                               0,
                               0,
                               0,
                               (unsigned char)(size >> 24),
                               (unsigned char)(size >> 16),
                               (unsigned char)(size >> 8),
                               (unsigned char)size};

    assert_int_equal(buf_append(b, header, 8), 0);
    assert_int_equal(buf_append(b, data, size), 0);
}

static void add_text_frame(struct buf *b, unsigned char stream, const char *text)
{
    add_frame(b, stream, text, strlen(text));
}

/* Feeds the input in steps of `step` bytes. Returns the JSON string, to be freed. */
static char *collect(const struct buf *input,
                     bool is_raw,
                     size_t step,
                     const struct log_lines_options *o,
                     struct log_lines_result *ret)
{
    struct log_lines *lines = log_lines_new(o);
    struct buf text = BUF_INIT(o->max_bytes + 2);
    struct log_demux d;

    log_demux_init(&d, is_raw, log_lines_add, lines);
    for (size_t at = 0; at < input->size; at += step) {
        size_t n = input->size - at < step ? input->size - at : step;

        assert_int_equal(log_demux_feed(&d, input->data + at, n), 0);
    }
    assert_int_equal(d.header_size, 0); /* the input ends between two frames */
    assert_int_equal(log_lines_take(lines, &text, ret), 0);
    log_lines_free(lines);
    return buf_take(&text);
}

/* The input as a whole, byte by byte and in uneven steps must have the same result. */
static void expect(struct buf *input, bool is_raw, const char *expected)
{
    static const size_t steps[] = {1, 2, 7, 31, 4096, SIZE_MAX / 2};
    struct log_lines_options o = {.max_lines = 100, .max_bytes = 1 << 20};
    struct log_lines_result result;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        char *text = collect(input, is_raw, steps[i], &o, &result);

        assert_string_equal(text, expected);
        assert_false(result.lines_dropped || result.bytes_dropped);
        free(text);
    }
    buf_done(input);
}

static void test_merges_by_time(void **state)
{
    struct buf b = BUF_INIT(10000);

    (void)state;
    add_text_frame(&b, 1, T1 "out 1\n");
    add_text_frame(&b, 1, T4 "out 4\n");
    add_text_frame(&b, 2, T2 "err 2\n");
    add_text_frame(&b, 2, T3 "err 3\n");
    add_text_frame(&b, 1, T4 "out 4 again\n");
    expect(&b, false,
           "\"" T1 "out 1\\n" T2 "err 2\\n" T3 "err 3\\n" T4 "out 4\\n" T4 "out 4 again\\n\"");
}

static void test_names_the_streams(void **state)
{
    struct log_lines *lines = log_lines_new(
        &(struct log_lines_options){.max_lines = 3, .max_bytes = 1000});
    struct buf input = BUF_INIT(1000), streams = BUF_INIT(10), text = BUF_INIT(1002);
    struct log_lines_result result;
    struct log_demux d;

    (void)state;
    log_demux_init(&d, false, log_lines_add, lines);
    add_text_frame(&input, 1, T1 "dropped\n");
    add_text_frame(&input, 1, T4 "out\n");
    add_text_frame(&input, 2, T2 "err\n");
    add_text_frame(&input, 2, T4 "no end");
    assert_int_equal(log_demux_feed(&d, input.data, input.size), 0);
    assert_int_equal(log_lines_streams(lines, &streams), 0);
    assert_int_equal(log_lines_take(lines, &text, &result), 0);
    assert_string_equal(buf_str(&streams), "eoe");
    assert_string_equal(buf_str(&text), "\"" T2 "err\\n" T4 "out\\n" T4 "no end\"");
    log_lines_free(lines);
    buf_done(&input);
    buf_done(&streams);
    buf_done(&text);
}

static void test_glues_pieces(void **state)
{
    struct buf b = BUF_INIT(10000);

    (void)state;
    add_text_frame(&b, 1, T1 "first ");
    add_text_frame(&b, 2, T2 "other\n");
    add_text_frame(&b, 1, T1 "second ");
    add_text_frame(&b, 1, "2026 is no time ");
    add_text_frame(&b, 1, T1 "third\n");
    add_text_frame(&b, 1, T3 "\n");
    add_text_frame(&b, 1, T3 "open end");
    expect(&b, false,
           "\"" T1 "first second 2026 is no time third\\n" T2 "other\\n" T3 "\\n" T3 "open end\"");
}

static void test_empty_frames_and_no_stamps(void **state)
{
    struct buf b = BUF_INIT(10000);

    (void)state;
    add_text_frame(&b, 1, "");
    add_text_frame(&b, 1, "no stamp\n");
    add_text_frame(&b, 2, "\n");
    add_text_frame(&b, 2, "2026-99-99T99:99:99Z bad stamp\nsecond line in a frame\n");
    expect(&b, false,
           "\"no stamp\\n\\n2026-99-99T99:99:99Z bad stamp\\nsecond line in a frame\\n\"");
}

static void test_raw(void **state)
{
    struct buf b = BUF_INIT(10000);

    (void)state;
    assert_int_equal(buf_append_str(&b, T1 "hello\r\n" T2 "\x1b[1mbold\x1b[0m " T3 "\r\n"), 0);
    expect(&b, true, "\"" T1 "hello\\r\\n" T2 "\\u001b[1mbold\\u001b[0m " T3 "\\r\\n\"");
}

/* A long line of a TTY consists of entries of 16 KiB, separated only by the repeated timestamp. */
static void test_raw_long_line(void **state)
{
    struct buf b = BUF_INIT(100000), want = BUF_INIT(100000);
    static char piece[16384];

    (void)state;
    memset(piece, 'x', sizeof(piece));
    assert_int_equal(buf_append_str(&want, "\"" T1), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(buf_append_str(&b, T1), 0);
        assert_int_equal(buf_append(&b, piece, sizeof(piece)), 0);
        assert_int_equal(buf_append(&want, piece, sizeof(piece)), 0);
    }
    assert_int_equal(buf_append_str(&b, T1 "end\n" T2 "next\n"), 0);
    assert_int_equal(buf_append_str(&want, "end\\n" T2 "next\\n\""), 0);
    expect(&b, true, buf_str(&want));
    buf_done(&want);
}

static void test_binary(void **state)
{
    struct buf b = BUF_INIT(10000);
    static const char line[] = T1 "a\0b\xff\xc3\xa9\n";

    (void)state;
    add_frame(&b, 1, line, sizeof(line) - 1);
    expect(&b, false,
           "\"" T1 "a\xef\xbf\xbd"
           "b\xef\xbf\xbd\xc3\xa9\\n\"");
}

/* A character that is split between two pieces is joined. */
static void test_character_across_pieces(void **state)
{
    struct buf b = BUF_INIT(10000);

    (void)state;
    add_text_frame(&b, 1, T1 "\xc3");
    add_text_frame(&b, 1, T1 "\xa9\n");
    expect(&b, false, "\"" T1 "\xc3\xa9\\n\"");
}

static void test_keeps_newest_lines(void **state)
{
    struct log_lines_options o = {.max_lines = 2, .max_bytes = 1 << 20};
    struct log_lines_result result;
    struct buf b = BUF_INIT(10000);
    char *text;

    (void)state;
    add_text_frame(&b, 1, T1 "1\n" T2 "2\n");
    text = collect(&b, false, 1, &o, &result);
    assert_false(result.lines_dropped);
    free(text);
    add_text_frame(&b, 1, T3 "3\n");
    text = collect(&b, false, 1, &o, &result);
    assert_string_equal(text, "\"" T2 "2\\n" T3 "3\\n\"");
    assert_true(result.lines_dropped);
    assert_false(result.bytes_dropped);
    free(text);
    buf_done(&b);
}

static void test_keeps_newest_bytes(void **state)
{
    struct log_lines_options o = {.max_lines = 100, .max_bytes = 2 * (STAMP_SIZE + 3)};
    struct log_lines_result result;
    struct buf b = BUF_INIT(10000);
    char *text;

    (void)state;
    add_text_frame(&b, 1, T1 "1\n" T2 "2\n");
    text = collect(&b, false, 1, &o, &result);
    assert_false(result.bytes_dropped);
    free(text);
    /* six bytes encoded: only one of three other lines fits, too */
    add_text_frame(&b, 1, T3 "\x01\n");
    text = collect(&b, false, 1, &o, &result);
    assert_string_equal(text, "\"" T3 "\\u0001\\n\"");
    assert_true(result.bytes_dropped);
    free(text);
    buf_done(&b);
}

static void test_cuts_long_line(void **state)
{
    struct log_lines_options o = {.max_lines = 100, .max_bytes = 100};
    struct log_lines_result result;
    struct buf b = BUF_INIT(10000);
    char *text;

    (void)state;
    add_text_frame(&b, 1, T1);
    for (int i = 0; i < 50; i++)
        add_text_frame(&b, 1, T1 "abcdef");
    add_text_frame(&b, 1, T1 "\n");
    text = collect(&b, false, 1, &o, &result);
    assert_int_equal(strlen(text), 102);
    assert_int_equal(strncmp(text, "\"" T1 "abcdefabc", STAMP_SIZE + 10), 0);
    assert_true(result.bytes_dropped);
    assert_int_equal(result.n_lines, 1);
    assert_int_equal(result.n_entries, 52);
    free(text);
    buf_done(&b);
}

static void test_no_lines_wanted(void **state)
{
    struct log_lines_options o = {.max_lines = 0, .max_bytes = 100};
    struct log_lines_result result;
    struct buf b = BUF_INIT(10000);
    char *text;

    (void)state;
    add_text_frame(&b, 1, T1 "1\n");
    text = collect(&b, false, 1, &o, &result);
    assert_string_equal(text, "\"\"");
    free(text);
    buf_done(&b);
}

static void test_refuses_bad_frames(void **state)
{
    static const unsigned char bad[][8] = {
        {4, 0, 0, 0, 0, 0, 0, 1},
        {1, 1, 0, 0, 0, 0, 0, 1},
        {1, 0, 0, 9, 0, 0, 0, 1},
        {1, 0, 0, 0, 1, 0, 0, 1}, /* 16 MiB and one byte */
    };
    struct log_lines *lines = log_lines_new(&(struct log_lines_options){10, 100});
    struct log_demux d;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        log_demux_init(&d, false, log_lines_add, lines);
        assert_int_equal(log_demux_feed(&d, bad[i], 8), -EPROTO);
    }
    log_lines_free(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merges_by_time),
        cmocka_unit_test(test_names_the_streams),
        cmocka_unit_test(test_glues_pieces),
        cmocka_unit_test(test_empty_frames_and_no_stamps),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_raw_long_line),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_character_across_pieces),
        cmocka_unit_test(test_keeps_newest_lines),
        cmocka_unit_test(test_keeps_newest_bytes),
        cmocka_unit_test(test_cuts_long_line),
        cmocka_unit_test(test_no_lines_wanted),
        cmocka_unit_test(test_refuses_bad_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
