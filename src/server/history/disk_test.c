/*
 * The files of history, without the job thread: head log, sealing, roll-up, expiry, queries.
 * damage_test.c covers damaged files.
 */

#include "base/alloc.h"
#include "server/history/disk_fixture.h"
#include "server/history/rollup.h"
#include "server/history/seal.h"
#include "server/history/tick.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void test_rows_can_be_read_before_and_after_sealing(void **state)
{
    struct history_dir d;

    dir_open(&d, state);
    append(&d, DAY, 5, 130);
    expect_steps(&d, 5, 130);
    seal(&d);
    expect_steps(&d, 5, 130);
    append(&d, DAY, 135, 500); /* more than a chunk */
    seal(&d);
    expect_steps(&d, 5, 630);
    dir_close(&d);
}

/* After a kill between the writing of chunks and the removal of rows, the rows are sealed again. */
static void test_sealing_again_changes_nothing(void **state)
{
    struct history_dir d;
    struct history_points p;

    dir_open(&d, state);
    append(&d, DAY, 0, 120);
    seal(&d);
    append(&d, DAY, 0, 120);
    seal(&d);
    expect_steps(&d, 0, 120);
    assert_int_equal(history_read(d.disk, &whole_day, &p, NULL), 0);
    assert_int_equal(p.sums[CONTAINER_CPU][3].n, 1);
    history_points_done(&p);
    dir_close(&d);
}

/* Rows of two days are sealed into two files. */
static void test_rows_of_two_days_are_sealed_into_two_files(void **state)
{
    struct history_dir d;
    struct history_disk_listing l;

    dir_open(&d, state);
    append(&d, DAY, N_DAY - 60, 120);
    seal(&d);
    expect_steps(&d, N_DAY - 60, 60);
    assert_int_equal(history_disk_list(d.disk, &l, NULL), 0);
    assert_int_equal(l.n, 2);
    assert_int_equal(l.entries[0].start_ms, DAY);
    assert_int_equal(l.entries[1].start_ms, DAY + DAY_MS);
    history_disk_listing_done(&l);
    dir_close(&d);
}

/* The means and maxima per minute match the samples of every 10 s. */
static void expect_minutes(struct history_dir *d)
{
    struct history_query q = whole_day;
    struct history_points p;

    q.step_ms = 60000;
    assert_int_equal(history_read(d->disk, &q, &p, NULL), 0);
    assert_int_equal(p.n, 1440);
    for (int64_t i = 0; i < 1440; i++) {
        int64_t sum = 0, max = 0;

        for (int64_t k = i * 6; k < i * 6 + 6; k++) {
            sum += k % 100;
            max = k % 100 > max ? k % 100 : max;
        }
        assert_int_equal(history_points_get(&p, (size_t)i, CONTAINER_CPU).mean, sum / 6);
        assert_int_equal(history_points_get(&p, (size_t)i, CONTAINER_CPU).max, max);
        assert_int_equal(history_points_get(&p, (size_t)i, CONTAINER_NET_RX).mean,
                         (i * 6 + 5) * 1000);
        assert_int_equal(history_points_get(&p, (size_t)i, CONTAINER_STARTED_AT).mean, DAY);
    }
    history_points_done(&p);
}

static void test_day_is_rolled_up_and_expires(void **state)
{
    struct history_dir d;
    struct history_disk_listing l;
    size_t n;

    dir_open(&d, state);
    append(&d, DAY, 0, N_DAY);
    seal(&d);
    expect_minutes(&d); /* read from the finest tier */
    roll_all(&d, DAY + DAY_MS + ROLLUP_DELAY_MS - 1);
    assert_int_equal(history_disk_list(d.disk, &l, NULL), 0);
    assert_int_equal(l.n, 1); /* too early for expiry */
    history_disk_listing_done(&l);

    roll_all(&d, DAY + DAY_MS + ROLLUP_DELAY_MS);
    assert_int_equal(history_disk_list(d.disk, &l, NULL), 0);
    assert_int_equal(l.n, 4);
    history_disk_listing_done(&l);
    expect_minutes(&d);
    expect_steps(&d, 0, N_DAY);

    assert_int_equal(history_disk_expire(d.disk, DAY + 3 * DAY_MS - 1, true, &n, NULL), 0);
    assert_int_equal(n, 0);
    assert_int_equal(history_disk_expire(d.disk, DAY + 3 * DAY_MS, true, &n, NULL), 0);
    assert_int_equal(n, 1);
    expect_minutes(&d); /* read from the coarser tier alone */
    dir_close(&d);
}

/* Rows that arrive after their day was rolled up are rolled up, too, and no row counts twice. */
static void test_late_rows_are_rolled_up(void **state)
{
    struct history_dir d;
    int64_t now = DAY + DAY_MS + ROLLUP_DELAY_MS;

    dir_open(&d, state);
    append(&d, DAY, 0, 4000);
    seal(&d);
    roll_all(&d, now);
    append(&d, DAY, 4000, N_DAY - 4000);
    seal(&d);
    roll_all(&d, now);
    expect_minutes(&d);
    assert_int_equal(history_disk_expire(d.disk, DAY + 3 * DAY_MS, true, NULL, NULL), 0);
    expect_minutes(&d);
    dir_close(&d);
}

/* A row that is sent again, as after a lost acknowledgement, replaces that row only, not the chunk
 * it begins. */
static void test_repeated_row_replaces_one_row(void **state)
{
    struct history_dir d;
    struct history_points p;

    dir_open(&d, state);
    append(&d, DAY, 0, 120);
    seal(&d);
    append(&d, DAY, 0, 1);
    append(&d, DAY, 60, 2);
    append(&d, DAY, 119, 200);
    seal(&d);
    expect_steps(&d, 0, 319);
    assert_int_equal(history_read(d.disk, &whole_day, &p, NULL), 0);
    assert_int_equal(p.sums[CONTAINER_CPU][0].n, 1);
    assert_int_equal(p.sums[CONTAINER_CPU][60].n, 1);
    assert_int_equal(p.sums[CONTAINER_CPU][119].n, 1);
    history_points_done(&p);
    dir_close(&d);
}

/* The newest sample of a step is the newest by its time, not the one that was read last: the head
 * is read before the chunks. */
static void test_newest_sample_of_a_step_counts(void **state)
{
    struct history_query q = whole_day;
    struct history_dir d;
    struct history_points p;

    dir_open(&d, state);
    append(&d, DAY, 0, 5);
    seal(&d);
    append(&d, DAY, 5, 1);
    q.step_ms = 60000;
    assert_int_equal(history_read(d.disk, &q, &p, NULL), 0);
    assert_int_equal(history_points_get(&p, 0, CONTAINER_NET_RX).mean, 5000);
    assert_int_equal(p.last_ms[0], DAY + 50000);
    history_points_done(&p);
    dir_close(&d);
}

/* Of two rows with the same time the later written one counts. */
static void test_later_of_two_rows_of_a_time_counts(void **state)
{
    struct buf b = BUF_INIT(TICK_MAX_SIZE);
    int64_t values[CONTAINER_METRICS];
    struct history_dir d;
    struct history_points p;

    dir_open(&d, state);
    append(&d, DAY, 0, 10);
    seal(&d);
    values_of(77, values);
    assert_int_equal(tick_append(&b, "web", values, CONTAINER_METRICS), 0);
    assert_int_equal(history_head_append(
                         history_disk_head(d.disk),
                         &(struct history_head_row){HOST, DAY / STEP + 3, b.data, b.size}, 1, NULL),
                     0);
    buf_done(&b);
    seal(&d);
    assert_int_equal(history_read(d.disk, &whole_day, &p, NULL), 0);
    assert_int_equal(history_points_get(&p, 2, CONTAINER_CPU).mean, 2);
    assert_int_equal(history_points_get(&p, 3, CONTAINER_CPU).mean, 77);
    assert_int_equal(history_points_get(&p, 4, CONTAINER_CPU).mean, 4);
    history_points_done(&p);
    dir_close(&d);
}

/* Rows are inserted between existing ones. */
static void test_rows_are_inserted_between_others(void **state)
{
    struct history_dir d;

    dir_open(&d, state);
    append(&d, DAY, 0, 100);
    append(&d, DAY, 400, 100);
    seal(&d);
    append(&d, DAY, 100, 300);
    seal(&d);
    expect_steps(&d, 0, 500);
    dir_close(&d);
}

/* Rows arrive for a day whose file has expired: the data of coarser tiers is kept. */
static void test_late_rows_keep_the_coarser_tiers(void **state)
{
    struct history_dir d;
    int64_t now = DAY + 3 * DAY_MS;

    dir_open(&d, state);
    append(&d, DAY, 0, N_DAY);
    seal(&d);
    roll_all(&d, now);
    assert_int_equal(history_disk_expire(d.disk, now, true, NULL, NULL), 0);
    append(&d, DAY, 8400, 60);
    seal(&d);
    roll_all(&d, now);
    assert_int_equal(history_disk_expire(d.disk, now, true, NULL, NULL), 0);
    expect_minutes(&d);
    dir_close(&d);
}

/* Rows that arrive while their day is being rolled up are rolled up, too. */
static void test_late_rows_during_rollup_are_rolled_up(void **state)
{
    struct history_dir d;
    int64_t now = DAY + DAY_MS + ROLLUP_DELAY_MS;

    dir_open(&d, state);
    append(&d, DAY, 0, 4000);
    seal(&d);
    for (int i = 0; i < ROLLUP_SERIES + 10; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "other-%d", i);
        append_series(&d, name, DAY, 0, 1);
    }
    seal(&d);
    /* some series are rolled up, others are not */
    assert_int_equal(rollup_step(d.disk, now, NULL), 1);
    for (int i = 0; i < ROLLUP_SERIES + 10; i++) {
        struct history_query q = whole_day;
        struct history_points p;
        char name[32];

        (void)snprintf(name, sizeof(name), "other-%d", i);
        q.series = name;
        q.step_ms = 60000;
        assert_int_equal(history_read(d.disk, &q, &p, NULL), 0);
        assert_true(history_points_have(&p, 0));
        history_points_done(&p);
    }
    append(&d, DAY, 4000, N_DAY - 4000);
    seal(&d);
    roll_all(&d, now);
    expect_minutes(&d);
    dir_close(&d);
}

/* The number of series of a host is limited, without effect on other hosts. */
static void test_series_per_host_are_limited(void **state)
{
    struct history_dir d;
    const struct history_disk_options o = {
        .dir = ((struct fixture *)*state)->dir,
        .keep_ms = {[TIER_10S] = 2 * DAY_MS, [TIER_1M] = DAY_MS},
        .series_per_day = SEAL_SERIES + 50
    };
    struct tier_file *f;
    struct series_row row;
    struct buf b = BUF_INIT(TICK_MAX_SIZE);
    int64_t values[CONTAINER_METRICS], n = 0;

    assert_int_equal(history_disk_open(&d.disk, &o, NULL), 0);
    values_of(7, values);
    for (int i = 0; i < SEAL_SERIES + 200; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "invented-%d", i);
        assert_int_equal(tick_append(&b, name, values, CONTAINER_METRICS), 0);
    }
    assert_int_equal(
        history_head_append(history_disk_head(d.disk),
                            &(struct history_head_row){HOST, DAY / STEP, b.data, b.size}, 1, NULL),
        0);
    buf_done(&b);
    seal(&d);
    assert_int_equal(history_disk_n_left_out(d.disk), 150);
    append_host(&d, "host-b", "web", DAY, 0, 1);
    assert_int_equal(seal_host(d.disk, "host-b", NULL), 0);
    assert_int_equal(history_disk_n_left_out(d.disk), 150);
    assert_int_equal(history_disk_file(d.disk, TIER_10S, DAY, false, &f, NULL), 0);
    for (int64_t after = 0; tier_file_next_series(f, after, &row, NULL) > 0; n++) {
        after = row.id;
        series_row_done(&row);
    }
    assert_int_equal(n, SEAL_SERIES + 51);
    history_disk_close(d.disk);
}

/* Files of the finest tier that could not be rolled up are kept longer, but expire in the end. */
static void test_finest_tier_expires_later_without_rollup(void **state)
{
    struct history_dir d;
    size_t n;

    dir_open(&d, state);
    append(&d, DAY, 0, 10);
    seal(&d);
    assert_int_equal(history_disk_expire(d.disk, DAY + 5 * DAY_MS - 1, false, &n, NULL), 0);
    assert_int_equal(n, 0);
    assert_int_equal(history_disk_expire(d.disk, DAY + 5 * DAY_MS, false, &n, NULL), 0);
    assert_int_equal(n, 1);
    dir_close(&d);
}

static void test_invalid_query_is_refused(void **state)
{
    struct history_dir d;
    struct history_query q = whole_day;
    struct history_points p;
    struct error err;

    dir_open(&d, state);
    q.to_ms = q.from_ms;
    assert_int_equal(history_read(d.disk, &q, &p, &err), -EDOM);
    q.to_ms = q.from_ms + 400 * DAY_MS;
    assert_int_equal(history_read(d.disk, &q, &p, &err), -EDOM);
    assert_non_null(strstr(err.msg, "longer step"));
    q = whole_day;
    q.from_ms = INT64_MIN;
    q.to_ms = INT64_MAX;
    q.step_ms = INT64_MAX;
    assert_int_equal(history_read(d.disk, &q, &p, &err), -EDOM);
    q = whole_day;
    q.step_ms = 0;
    assert_int_equal(history_read(d.disk, &q, &p, &err), -EDOM);
    append(&d, DAY, 0, 1); /* a query over 30,000 years does not search for millions of files */
    seal(&d);
    q.from_ms = 0;
    q.to_ms = q.step_ms = INT64_C(1000000000000000);
    assert_int_equal(history_read(d.disk, &q, &p, &err), 0);
    assert_int_equal(p.n, 1);
    assert_true(history_points_have(&p, 0));
    history_points_done(&p);
    q = whole_day;
    q.series = "unknown";
    assert_int_equal(history_read(d.disk, &q, &p, NULL), 0);
    assert_false(history_points_have(&p, 0));
    history_points_done(&p);
    dir_close(&d);
}

static void test_file_name_has_tier_and_day(void **state)
{
    static const char *const bad[] = {"head.db",
                                      "10s-2026-11-23.db.damaged",
                                      "10s-2026-11-23.db-wal",
                                      "5s-2026-11-23.db",
                                      "10s-2026-13-01.db",
                                      "10m-2026-11-24.db",
                                      "-",
                                      ""};
    char name[TIER_FILE_NAME_SIZE];
    enum tier tier;
    int64_t start;

    (void)state;
    for (int t = 0; t < TIER_COUNT; t++) {
        tier_file_name((enum tier)t, tier_file_start((enum tier)t, DAY + 5), name);
        assert_int_equal(tier_file_parse(name, &tier, &start), 0);
        assert_int_equal(tier, t);
        assert_int_equal(start, tier_file_start((enum tier)t, DAY + 5));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(tier_file_parse(bad[i], &tier, &start), -EINVAL);
}

static void test_configured_tiers_are_parsed(void **state)
{
    static const struct {
        const char *text, *error; /* NULL, or a part of the error message */
    } cases[] = {
        {TIERS_DEFAULT,                                                  NULL                        },
        {"10s:48h",                                                      NULL                        },
        {"10s:2d,30s:2d,1m:72h,5m:3d,10m:4d,30m:5d,1h:6d,6h:1y,1d:100y", NULL                        },
        {"",                                                             "`` is not a step"          },
        {"10s",                                                          "10s must be kept for"      },
        {"10s:",                                                         "10s must be kept for"      },
        {"10s:47h",                                                      "10s must be kept for"      },
        {"10s:d",                                                        "10s must be kept for"      },
        {"10s:2w",                                                       "10s must be kept for"      },
        {"10s:-2d",                                                      "10s must be kept for"      },
        {"10s:101y",                                                     "10s must be kept for"      },
        {"10s:99999999999999999999d",                                    "10s must be kept for"      },
        {"1m:14d",                                                       "the first step must be 10s"},
        {"10s:2d,",                                                      "`` is not a step"          },
        {"10s:2d,7s:2d",                                                 "`7s` is not a step"        },
        {"10s:2d,1h:30d,1m:40d",                                         "1m follows 1h"             },
        {"10s:2d,10s:2d",                                                "10s follows 10s"           },
        {"10s:14d,1m:2d",                                                "less time than 10s"        },
    };
    int64_t keep_ms[TIER_COUNT];
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        err = ERROR_INIT;
        assert_int_equal(tiers_parse(cases[i].text, keep_ms, &err), cases[i].error ? -EINVAL : 0);
        if (cases[i].error)
            assert_non_null(strstr(err.msg, cases[i].error));
    }
    assert_int_equal(tiers_parse(TIERS_DEFAULT, keep_ms, NULL), 0);
    assert_int_equal(keep_ms[TIER_10S], 2 * DAY_MS);
    assert_int_equal(keep_ms[TIER_30S], 0);
    assert_int_equal(keep_ms[TIER_1H], 730 * DAY_MS);
    assert_int_equal(tier_keep(keep_ms, TIER_1M), 14 * DAY_MS);
    assert_int_equal(tier_keep(keep_ms, TIER_6H), 730 * DAY_MS);
    for (int t = 1; t < TIER_COUNT; t++) {
        assert_int_equal(tiers[t].step_ms % tiers[t - 1].step_ms, 0);
        assert_int_equal(DAY_MS % tiers[t].step_ms, 0);
        assert_int_equal(tiers[t].file_ms % DAY_MS, 0);
    }
}

static int64_t count_files(struct history_disk *d, enum tier tier)
{
    struct history_disk_listing l;
    int64_t n = 0;

    assert_int_equal(history_disk_list(d, &l, NULL), 0);
    for (size_t i = 0; i < l.n; i++)
        n += l.entries[i].tier == tier;
    history_disk_listing_done(&l);
    return n;
}

static void set_tiers(struct history_dir *d, void **state, const char *text)
{
    struct history_disk_options o = {.dir = ((struct fixture *)*state)->dir};

    history_disk_close(d->disk);
    assert_int_equal(tiers_parse(text, o.keep_ms, NULL), 0);
    assert_int_equal(history_disk_open(&d->disk, &o, NULL), 0);
}

/* Checks a day in steps of 10 minutes, whatever tier they are read from; means of means are rounded
 * twice. */
static void expect_tens(struct history_dir *d, int64_t day_ms)
{
    struct history_query q = whole_day;
    struct history_points p;

    q.from_ms = day_ms;
    q.to_ms = day_ms + DAY_MS;
    q.step_ms = 600000;
    assert_int_equal(history_read(d->disk, &q, &p, NULL), 0);
    assert_int_equal(p.n, 144);
    for (int64_t i = 0; i < 144; i++) {
        int64_t sum = 0;

        for (int64_t k = i * 60; k < i * 60 + 60; k++)
            sum += k % 100;
        assert_in_range(history_points_get(&p, (size_t)i, CONTAINER_CPU).mean, sum / 60 - 1,
                        sum / 60);
        assert_int_equal(history_points_get(&p, (size_t)i, CONTAINER_NET_RX).mean,
                         (i * 60 + 59) * 1000);
    }
    history_points_done(&p);
}

/* After a change of the configured tiers the existing data can still be read, even from a file that
 * two configurations have written. */
static void test_data_outlives_a_change_of_tiers(void **state)
{
    struct history_dir d;
    int64_t next = DAY + DAY_MS; /* next: in the same files, where they span more than a day */

    dir_open(&d, state);
    set_tiers(&d, state, "10s:2d,1m:30d");
    append(&d, DAY, 0, N_DAY);
    seal(&d);
    roll_all(&d, next + ROLLUP_DELAY_MS);
    expect_minutes(&d);
    set_tiers(&d, state, "10s:2d,10m:60d");
    append(&d, next, 0, N_DAY);
    seal(&d);
    roll_all(&d, next + DAY_MS + ROLLUP_DELAY_MS);
    assert_int_equal(count_files(d.disk, TIER_1M), 1);
    assert_int_equal(count_files(d.disk, TIER_10M), 1);
    assert_int_equal(history_disk_expire(d.disk, DAY + 20 * DAY_MS, true, NULL, NULL), 0);
    assert_int_equal(count_files(d.disk, TIER_10S), 0);
    expect_minutes(&d); /* the first day, from a tier that is not configured any more */
    expect_tens(&d, DAY);
    expect_tens(&d, next);
    assert_int_equal(history_disk_expire(d.disk, DAY + 61 * DAY_MS, true, NULL, NULL), 0);
    assert_int_equal(count_files(d.disk, TIER_1M), 0);
    dir_close(&d);
}

static void test_damaged_tick_is_refused(void **state)
{
    struct buf b = BUF_INIT(1000);
    int64_t values[] = {1, -1, METRIC_NONE, INT64_MAX};
    struct tick_series t;
    size_t offset = 0;

    (void)state;
    assert_int_equal(tick_append(&b, "a", values, ARRAY_LEN(values)), 0);
    assert_int_equal(tick_append(&b, "", values, 1), 0);
    assert_int_equal(tick_next(b.data, b.size, &offset, &t), 1);
    assert_string_equal(t.name, "a");
    assert_int_equal(t.n, ARRAY_LEN(values));
    assert_memory_equal(t.values, values, sizeof(values));
    assert_int_equal(tick_next(b.data, b.size, &offset, &t), 1);
    assert_string_equal(t.name, "");
    assert_int_equal(tick_next(b.data, b.size, &offset, &t), 0);
    for (size_t size = 1; size < b.size - 4; size++) {
        char *copy = xmemdup(b.data, size);

        offset = 0;
        assert_int_equal(tick_next(copy, size, &offset, &t), -EBADMSG);
        free(copy);
    }
    b.max = b.size + 2;
    assert_int_equal(tick_append(&b, "abc", values, 1), -EMSGSIZE);
    assert_int_equal(b.size, b.max - 2);
    buf_done(&b);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_empty, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rows_can_be_read_before_and_after_sealing),
        TEST(test_sealing_again_changes_nothing),
        TEST(test_rows_of_two_days_are_sealed_into_two_files),
        TEST(test_day_is_rolled_up_and_expires),
        TEST(test_late_rows_are_rolled_up),
        TEST(test_repeated_row_replaces_one_row),
        TEST(test_newest_sample_of_a_step_counts),
        TEST(test_later_of_two_rows_of_a_time_counts),
        TEST(test_rows_are_inserted_between_others),
        TEST(test_late_rows_keep_the_coarser_tiers),
        TEST(test_late_rows_during_rollup_are_rolled_up),
        TEST(test_data_outlives_a_change_of_tiers),
        cmocka_unit_test(test_configured_tiers_are_parsed),
        TEST(test_series_per_host_are_limited),
        TEST(test_finest_tier_expires_later_without_rollup),
        TEST(test_invalid_query_is_refused),
        cmocka_unit_test(test_file_name_has_tier_and_day),
        cmocka_unit_test(test_damaged_tick_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
