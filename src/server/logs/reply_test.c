#include "base/macros.h"
#include "base/str.h"
#include "server/logs/reply_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A binary text with its size. */
#define TEXT(s) s, sizeof(s) - 1

#define STAMP(second, nano) "2026-12-01T21:19:" second "." nano "Z "

/* The lines as "KIND text|...": o, e, or ? for an unknown stream; + ends a part of a line. */
static void show(const struct reply_lines *lines, bool only_new, char *ret, size_t size)
{
    size_t n = 0;

    ret[0] = '\0';
    for (size_t i = 0; i < lines->n; i++) {
        const struct reply_line *l = &lines->items[i];

        if (only_new && !l->is_new)
            continue;
        n += (size_t)snprintf(ret + n, size - n, "%c%.*s%s|", "?oe?"[l->kind], (int)l -> size,
                              l -> text, l -> is_partial ? "+" : "");
    }
}

static void check_lines(const char *text, size_t size, const char *streams, const char *expected)
{
    _cleanup_(reply_lines_done) struct reply_lines lines = {0};
    char shown[1024];

    reply_lines_read(text, size, streams, &lines);
    show(&lines, false, shown, sizeof(shown));
    assert_string_equal(shown, expected);
}

static void test_streams_one_after_the_other(void **state)
{
    (void)state;
    check_lines(TEXT(STAMP("01", "1") "a\n" STAMP("03", "1") "c\n" STAMP("02", "1") "b\n"), NULL,
                "oa|eb|oc|");
    check_lines(TEXT(STAMP("01", "1") "a\r\n" STAMP("03", "1") "c\n"), NULL, "?a|?c|");
    /* A clock that was set back, or an agent that we do not know. */
    check_lines(TEXT(STAMP("03", "1") "c\n" STAMP("02", "1") "b\n" STAMP("01", "1") "a\n"), NULL,
                "?a|?b|?c|");
    check_lines(TEXT("no time\n" STAMP("01", "1") "a\nrest\n"), NULL, "?no time|?a|?rest|");
    check_lines(TEXT(STAMP("03", "1") "c\n" STAMP("02", "1") "b\n"), "oe", "oc|eb|");
    check_lines(TEXT(""), NULL, "");
}

static void test_frames_of_the_engine(void **state)
{
    (void)state;
    check_lines(TEXT("\2\0\0\0\0\0\0\6err 7\n\1\0\0\0\0\0\0\6out 8\n"), NULL, "eerr 7|oout 8|");
    check_lines(TEXT("\1\0\0\0\0\0\0\2a\n\1\0\0\0\0\0\0\1b"), NULL, "oa|ob|");
    check_lines(TEXT("\1\0\0\0\0\0\0\1a\2\0\0\0\0\0\0\2b\n"), NULL, "oa+|eb|");
    /* Size and text as JSON changed them: 0x80 and 0xff became U+FFFD. */
    check_lines(TEXT("\1\0\0\0\0\0\0\xef\xbf\xbd long \xef\xbf\xbd\n\2\0\0\0\0\0\0\2e\n"), NULL,
                "o long \xef\xbf\xbd|ee|");
    check_lines(TEXT("\1\0\0\0\0\0\0\3\xef\xbf\xbd\xef\xbf\xbd\n\2\0\0\0\0\0\0\2e\n"), NULL,
                "o\xef\xbf\xbd\xef\xbf\xbd|ee|");
    check_lines(TEXT("\1\0\0\0\0\0\0"), NULL, "?\1|"); /* cut: no header */
}

/* Compares a reply with the last one; returns the new lines. */
static const char *next(struct reply_memory *m, const char *text, uint64_t tail, bool is_known)
{
    static char shown[1024];
    _cleanup_(reply_lines_done) struct reply_lines lines = {0};

    reply_lines_read(text, strlen(text), NULL, &lines);
    assert_int_equal(reply_memory_compare(m, &lines, tail), is_known);
    show(&lines, true, shown, sizeof(shown));
    reply_memory_keep(m, &lines, tail);
    return shown;
}

static void test_nothing_of_two_streams_is_lost(void **state)
{
    struct reply_memory m = {0};

    (void)state;
    (void)next(&m, STAMP("01", "1") "a\n" STAMP("01", "2") "b\n", 10, true);
    /* stdout has grown, and so has stderr, with lines that are older than the newest one. */
    assert_string_equal(next(&m,
                             STAMP("01", "1") "a\n" STAMP("03", "1") "c\n" STAMP(
                                 "01", "2") "b\n" STAMP("02", "1") "e\n",
                             10, true),
                        "ee|oc|");
    assert_string_equal(next(&m,
                             STAMP("01", "1") "a\n" STAMP("03", "1") "c\n" STAMP(
                                 "03", "1") "c\n" STAMP("01", "2") "b\n" STAMP("02", "1") "e\n",
                             10, true),
                        "oc|");
    /* A larger window has older lines, too. */
    assert_string_equal(next(&m, STAMP("00", "1") "0\n" STAMP("03", "1") "c\n", 99, true), "");
    assert_string_equal(next(&m, STAMP("09", "1") "x\n", 99, false), "?x|");
    reply_memory_done(&m);
}

static void test_lines_without_times_are_counted(void **state)
{
    struct reply_memory m = {0};

    (void)state;
    assert_string_equal(next(&m, "tick\n", 10, true), "?tick|");
    assert_string_equal(next(&m, "tick\ntick\ntick\n", 10, true), "?tick|?tick|");
    assert_string_equal(next(&m, "tick\ntick\ntick\n", 10, true), "");
    /* The window is full: the sequence decides. */
    assert_string_equal(next(&m, "tick\ntick\na\nb\n", 4, true), "?a|?b|");
    assert_string_equal(next(&m, "a\nb\na\nc\n", 4, true), "?a|?c|");
    assert_string_equal(next(&m, "x\ny\n", 2, false), "?x|?y|");
    assert_string_equal(next(&m, "", 2, true), "");
    reply_memory_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_one_after_the_other),
        cmocka_unit_test(test_frames_of_the_engine),
        cmocka_unit_test(test_nothing_of_two_streams_is_lost),
        cmocka_unit_test(test_lines_without_times_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
