#include "base/alloc.h"
#include "base/str.h"
#include "docker/log_assembler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define T1 "2026-11-23T01:53:00.000000001Z "
#define T2 "2026-11-23T01:53:00.000000002Z "

/* Writes each line as "stream:time:text" with its flags. */
static void on_line(void *owner, const struct log_line *line)
{
    struct buf *b = owner;

    assert_int_equal(buf_printf(b, "%d:%d:%.*s%s%s%s\n", (int)line->stream,
                                (int)(line->time_ns % 1000), (int)(line->size - line->stamp_size),
                                line->text + line->stamp_size, line->is_ended ? "" : " (open)",
                                line->is_cut ? " (cut)" : "", line->is_partial ? " (partial)" : ""),
                     0);
}

struct piece {
    enum log_stream stream;
    const char *text;
};

static void check(bool splits, const struct piece *pieces, const char *expected)
{
    for (size_t step = 1; step < 100; step += 9) {
        struct buf got = BUF_INIT(4096);
        struct log_assembler *la = log_assembler_new(&(struct log_assembler_options){
            .max_line = 10, .splits = splits, .on_line = on_line, .owner = &got});

        for (const struct piece *p = pieces; p->text; p++) {
            size_t size = strlen(p->text);

            for (size_t at = 0; at < size; at += step) {
                log_assembler_add(la, p->stream, p->text + at, size - at < step ? size - at : step,
                                  at == 0);
            }
        }
        log_assembler_end(la);
        log_assembler_end(la); /* no line is left */
        assert_string_equal(buf_str(&got), expected);
        log_assembler_free(la);
        buf_done(&got);
    }
}

static void test_lines(void **state)
{
    static const struct piece pieces[] = {
        {LOG_STDOUT,  T1 "one\n"},
        {LOG_STDERR,           T2 "two\n"},
        {LOG_STDOUT,"no time\n"},
        {LOG_STDOUT,  T1 "\n"},
        {LOG_STDOUT,           T1 "end"},
        {0  }
    };

    (void)state;
    check(true, pieces, "1:1:one\n2:2:two\n1:2:no time\n1:1:\n1:1:end (open)\n");
    check(false, pieces, "1:1:one\n2:2:two\n1:2:no time\n1:1:\n1:1:end (open)\n");
}

static void test_pieces(void **state)
{
    static const struct piece same[] = {
        {LOG_STDOUT, T1 "a"},
        {LOG_STDOUT,          T1 "b\n"},
        {0}
    };
    static const struct piece runs[] = {
        {LOG_STDOUT, T1 "a"},
        {LOG_STDOUT,          T2 "b\n"},
        {0}
    };

    (void)state;
    check(true, same, "1:1:ab\n");
    check(false, same, "1:1:ab\n");
    check(true, runs, "1:1:a (open)\n1:2:b\n");
    check(false, runs, "1:1:ab\n");
}

static void test_long_lines(void **state)
{
    static const struct piece pieces[] = {
        {LOG_STDOUT,         T1 "0123456789abcdefghijKLM\n"},
        {LOG_STDOUT,                  T2 "0123456789\n"},
        {0}
    };

    (void)state;
    check(true, pieces,
          "1:1:0123456789 (open) (partial)\n1:1:abcdefghij (open) (partial)\n1:1:KLM\n"
          "1:2:0123456789\n");
    check(false, pieces, "1:1:0123456789 (cut)\n1:2:0123456789\n");
}

static void test_drop(void **state)
{
    struct buf got = BUF_INIT(4096);
    struct log_assembler *la = log_assembler_new(&(struct log_assembler_options){
        .max_line = 100, .splits = true, .on_line = on_line, .owner = &got});

    (void)state;
    log_assembler_add(la, LOG_STDOUT, T1 "lost", strlen(T1 "lost"), true);
    log_assembler_add(la, LOG_STDERR, "2026", 4, true);
    log_assembler_drop(la);
    log_assembler_end(la);
    assert_string_equal(buf_str(&got), "");
    log_assembler_add(la, LOG_STDOUT, T2 "kept\n", strlen(T2 "kept\n"), true);
    assert_string_equal(buf_str(&got), "1:2:kept\n");
    assert_int_equal(log_assembler_entries(la), 2);
    log_assembler_free(la);
    buf_done(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
