#include "base/str.h"
#include "base/time.h"
#include "server/maintenance/backup_plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* cmocka.h needs them first */
#include <cmocka.h>

static int64_t read_ms(const char *text)
{
    int64_t ns = 0;

    assert_int_equal(time_parse_ns(text, &ns), 0);
    return ns / 1000000;
}

static void test_times_follow_the_plan_and_the_time_zone(void **state)
{
    static const struct {
        const char *zone, *plan, *now, *last, *next;
    } cases[] = {
        {"UTC0",                       "daily@03:00", "2026-03-01T02:59:59Z", "2026-02-28T03:00:00Z",
         "2026-03-01T03:00:00Z"                                                                                             },
        {"UTC0",                       "daily@03:00", "2026-03-01T03:00:00Z", "2026-03-01T03:00:00Z",
         "2026-03-02T03:00:00Z"                                                                                             },
        {"UTC0",                       "hourly@15",   "2026-12-31T23:20:00Z", "2026-12-31T23:15:00Z",
         "2027-01-01T00:15:00Z"                                                                                             },
        {"UTC0",                       "hourly@15",   "2026-12-31T23:10:00Z", "2026-12-31T22:15:00Z",
         "2026-12-31T23:15:00Z"                                                                                             },
        {"CET-1CEST,M3.5.0,M10.5.0/3", "daily@03:00", "2026-07-01T12:00:00Z",
         "2026-07-01T01:00:00Z",                                                                      "2026-07-02T01:00:00Z"},
 /* the night in which 02:30 does not exist */
        {"CET-1CEST,M3.5.0,M10.5.0/3", "daily@02:30", "2026-03-28T12:00:00Z",
         "2026-03-28T01:30:00Z",                                                                      "2026-03-29T01:30:00Z"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct backup_plan plan;
        int64_t now_ms = read_ms(cases[i].now);

        assert_int_equal(setenv("TZ", cases[i].zone, 1), 0);
        tzset();
        assert_int_equal(backup_plan_parse(cases[i].plan, &plan, NULL), 0);
        assert_int_equal(backup_plan_last_ms(&plan, now_ms), read_ms(cases[i].last));
        assert_int_equal(backup_plan_next_ms(&plan, now_ms), read_ms(cases[i].next));
    }
}

/* The next backup is always ahead, and not further than a day and an hour. */
static void test_there_is_always_a_next_time(void **state)
{
    static const char *const plans[] = {"daily@02:30", "daily@00:00", "hourly@00", "hourly@59"};
    int64_t at_ms = read_ms("2026-01-01T00:00:00Z");

    (void)state;
    assert_int_equal(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
    tzset();
    for (size_t i = 0; i < (size_t)365 * 24; i++, at_ms += (int64_t)HOUR_MS - 7000) {
        for (size_t p = 0; p < ARRAY_LEN(plans); p++) {
            struct backup_plan plan;
            int64_t next_ms, last_ms;

            assert_int_equal(backup_plan_parse(plans[p], &plan, NULL), 0);
            next_ms = backup_plan_next_ms(&plan, at_ms);
            last_ms = backup_plan_last_ms(&plan, at_ms);
            assert_true(next_ms > at_ms && next_ms <= at_ms + (int64_t)(25 * HOUR_MS));
            assert_true(last_ms <= at_ms && last_ms >= at_ms - (int64_t)(25 * HOUR_MS));
        }
    }
}

static void test_other_texts_are_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "daily",
                                        "daily@",
                                        "daily@3:00",
                                        "daily@24:00",
                                        "daily@03:60",
                                        "daily@03:00 ",
                                        "daily@03-00",
                                        "daily@0",
                                        "hourly@",
                                        "hourly@60",
                                        "hourly@5",
                                        "weekly@03:00"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct error err = ERROR_INIT;
        struct backup_plan plan;

        assert_int_equal(backup_plan_parse(texts[i], &plan, &err), -EINVAL);
        assert_non_null(strstr(err.msg, "daily@HH:MM"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_follow_the_plan_and_the_time_zone),
        cmocka_unit_test(test_there_is_always_a_next_time),
        cmocka_unit_test(test_other_texts_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
