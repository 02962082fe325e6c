#include "cli/stats/spark.h"

#include "base/macros.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NONE ((double)NAN)

static void test_graphs(void **state)
{
    static const struct {
        double values[8];
        size_t n, width;
        const char *blocks, *ascii;
    } cases[] = {
        {{0, 1, 2, 3, 4, 5, 6, 7}, 8, 8,  "▁▂▃▄▅▆▇█", "_.:-=+*#"},
        {{0, 0, 7, 7, 0, 0, 7, 7}, 8, 4,  "▁█▁█",             "_#_#"    },
        {{5, 5, 5},                3, 10, "███",                "###"     }, /* scale from 0 */
        {{0, 0, 0},                3, 10, "▁▁▁",                "___"     },
        {{-4, 0, 4},               3, 10, "▁▅█",                "_=#"     },
        {{8, NONE, 8, NONE},       4, 4,  "█ █ ",                 "# # "    },
        {{8, NONE, NONE, NONE},    4, 2,  "█ ",                     "# "      }, /* not 0 */
        {{NONE, NONE},             2, 4,  "  ",                       "  "      },
        {{-1e308, 1e308},          2, 2,  "▁▁",                   "__"      }, /* overflow */
        {{0},                      0, 4,  "",                         ""        },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = BUF_INIT(256);

        spark_append(&out, cases[i].values, cases[i].n, cases[i].width, false);
        assert_string_equal(buf_str(&out), cases[i].blocks);
        buf_clear(&out);
        spark_append(&out, cases[i].values, cases[i].n, cases[i].width, true);
        assert_string_equal(buf_str(&out), cases[i].ascii);
        buf_done(&out);
    }
}

static void test_summary(void **state)
{
    static const double values[] = {NONE, 3, 1, NONE, 2, NONE};
    struct spark_summary s = spark_summarise(values, ARRAY_LEN(values));

    (void)state;
    assert_int_equal(s.n, 3);
    assert_true(s.min == 1 && s.mean == 2 && s.max == 3 && s.last == 2);
    s = spark_summarise(values, 1);
    assert_true(s.n == 0 && isnan(s.min) && isnan(s.mean) && isnan(s.max) && isnan(s.last));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graphs),
        cmocka_unit_test(test_summary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
