#include "cli/common/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void add_row(struct table *t, const char *a, const char *b, enum table_colour colour)
{
    table_add(t, a);
    table_add_coloured(t, b, colour);
}

static void assert_table(const struct table *t, bool with_colours, const char *expected)
{
    struct buf out = BUF_INIT(4096);

    table_print(t, with_colours, &out);
    assert_string_equal(buf_str(&out), expected);
    buf_done(&out);
}

static void test_widths(void **state)
{
    static const char *const headers[] = {"ID", "NAME"};
    struct table t;

    (void)state;
    table_init(&t, ARRAY_LEN(headers), headers);
    assert_table(&t, false, "ID        NAME\n");
    add_row(&t, "short", "x", COLOUR_NONE);
    assert_table(&t, false, "ID        NAME\nshort     x\n");
    add_row(&t, "longer than ten", NULL, COLOUR_NONE);
    assert_table(&t, false, "ID                NAME\nshort             x\nlonger than ten   \n");
    table_done(&t);
    table_done(&t);
}

static void test_columns_count_characters(void **state)
{
    static const char *const headers[] = {"A", "B"};
    struct table t;

    (void)state;
    table_init(&t, ARRAY_LEN(headers), headers);
    add_row(&t, "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", "x", COLOUR_NONE);
    assert_table(&t, false,
                 "A         B\n\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc   x\n");
    table_done(&t);
}

static void test_colours(void **state)
{
    static const char *const headers[] = {"A", "B"};
    struct table t;

    (void)state;
    table_init(&t, ARRAY_LEN(headers), headers);
    add_row(&t, "a", "up", COLOUR_GREEN);
    assert_table(&t, true, "A         B\na         \x1b[32mup\x1b[0m\n");
    assert_table(&t, false, "A         B\na         up\n");
    table_done(&t);
}

static void test_cells_are_escaped(void **state)
{
    static const char *const headers[] = {"A"};
    struct table t;

    (void)state;
    table_init(&t, ARRAY_LEN(headers), headers);
    table_add(&t, "x\x1b[2J\ny");
    assert_table(&t, true, "A\nx\\x1b[2J\\x0ay\n");
    table_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_columns_count_characters),
        cmocka_unit_test(test_colours),
        cmocka_unit_test(test_cells_are_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
