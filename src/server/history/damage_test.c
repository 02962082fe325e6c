/*
 * Damaged files of history are set aside without effect on the others.
 */

#include "base/alloc.h"
#include "server/history/disk_fixture.h"
#include "server/history/rollup.h"
#include "server/history/seal.h"
#include "server/sqlite/db_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void damage(struct history_dir *d, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", d->path, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    char garbage[3000];

    assert_true(fd >= 0);
    memset(garbage, 'x', sizeof(garbage));
    assert_int_equal(pwrite(fd, garbage, sizeof(garbage), 0), sizeof(garbage));
    close(fd);
}

/* A damaged file is set aside; other days and new data are not affected. */
static void test_damaged_file_is_set_aside(void **state)
{
    struct history_dir d;
    struct history_points p;
    char name[TIER_FILE_NAME_SIZE];
    const char *last;
    _cleanup_free_ char *aside = NULL;

    dir_open(&d, state);
    append(&d, DAY - DAY_MS, 0, 120);
    append(&d, DAY, 0, 120);
    seal(&d);
    dir_close(&d);
    d.path = xstrdup(((struct fixture *)*state)->dir);
    tier_file_name(TIER_10S, DAY - DAY_MS, name);
    damage(&d, name);
    aside = xasprintf("%s/%s.damaged", d.path, name);
    free(d.path);

    dir_open(&d, state);
    expect_steps(&d, 0, 120);
    struct history_query q = whole_day;
    q.from_ms -= DAY_MS;
    assert_int_equal(history_read(d.disk, &q, &p, NULL), -EUCLEAN);
    assert_int_equal(history_disk_n_damaged(d.disk, &last), 1);
    assert_string_equal(last, name);
    assert_int_equal(access(aside, F_OK), 0);
    assert_int_equal(history_read(d.disk, &q, &p, NULL), 0);
    history_points_done(&p);
    append(&d, DAY - DAY_MS, 200, 10);
    seal(&d);
    expect_steps(&d, 0, 120);
    dir_close(&d);
}

static void change(struct history_dir *d, const char *sql)
{
    char name[TIER_FILE_NAME_SIZE];
    _cleanup_free_ char *path = NULL;
    struct db *s = NULL;
    int r;

    tier_file_name(TIER_10S, DAY, name);
    path = xasprintf("%s/%s", d->path, name);
    r = db_open(&s, d->path, path, sql, NULL);
    assert_true(r == 0 || r == -EUCLEAN); /* it may notice the damage it has just done */
    db_close(s);
}

/* Sealing into a damaged file loses none of the new rows. */
static void test_sealing_into_a_damaged_file_loses_no_rows(void **state)
{
    static const char *const damages[] = {
        "UPDATE chunks SET data = x'0102030405060708090a'",
        "DROP TABLE chunks; CREATE TABLE chunks (x); PRAGMA writable_schema = 1;"
        " UPDATE sqlite_schema SET sql = 'damaged' WHERE name = 'chunks'",
    };
    const char *last;

    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        struct history_dir d;

        dir_open(&d, state);
        append(&d, DAY, 0, 300);
        seal(&d);
        dir_close(&d);
        d.path = ((struct fixture *)*state)->dir;
        change(&d, damages[i]);
        dir_open(&d, state);
        append(&d, DAY, 290, 300);
        assert_int_equal(seal_host(d.disk, HOST, NULL), -EUCLEAN);
        assert_int_equal(history_disk_n_damaged(d.disk, &last), 1);
        assert_string_not_equal(last, "head.db");
        seal(&d);
        expect_steps(&d, 290, 300);
        dir_close(&d);
    }
}

/* A damaged file does not stop roll-up for good. */
static void test_damaged_file_does_not_stop_rollup(void **state)
{
    struct history_dir d;
    int64_t now = DAY + DAY_MS + ROLLUP_DELAY_MS;
    const char *last;

    dir_open(&d, state);
    append(&d, DAY, 0, 10);
    seal(&d);
    change(&d, "UPDATE chunks SET data = x'00'");
    assert_int_equal(rollup_step(d.disk, now, NULL), -EUCLEAN);
    assert_int_equal(history_disk_n_damaged(d.disk, &last), 1);
    roll_all(&d, now);
    dir_close(&d);
}

static void test_damaged_head_is_replaced(void **state)
{
    struct history_dir d;
    const char *last;

    dir_open(&d, state);
    append(&d, DAY, 0, 120);
    seal(&d);
    dir_close(&d);
    d.path = xstrdup(((struct fixture *)*state)->dir);
    damage(&d, "head.db");
    free(d.path);
    dir_open(&d, state);
    assert_int_equal(history_disk_n_damaged(d.disk, &last), 1);
    append(&d, DAY, 120, 5);
    expect_steps(&d, 0, 125);
    dir_close(&d);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_empty, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_damaged_file_is_set_aside),
        TEST(test_sealing_into_a_damaged_file_loses_no_rows),
        TEST(test_damaged_file_does_not_stop_rollup),
        TEST(test_damaged_head_is_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
