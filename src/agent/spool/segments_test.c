#include "agent/common/temporary_dir.h"
#include "agent/spool/segments.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs them first */
#include <cmocka.h>

#define DATA   100
#define RECORD (SPOOL_RECORD_HEAD + DATA)

static char dir[TEMPORARY_DIR_SIZE];
static char path[sizeof(dir) + 8];

static struct segments *open_small(uint64_t max_bytes)
{
    struct segments_options o = {
        .dir = path, .max_bytes = max_bytes, .file_bytes = UINT64_C(4) * RECORD};
    struct segments *s = NULL;
    struct error err = ERROR_INIT;

    if (segments_open(&s, &o, &err) < 0)
        fail_msg("%s", err.msg);
    return s;
}

static void append(struct segments *s, uint64_t seq)
{
    static const char data[DATA];
    const struct spool_record r = {1, 5, seq, data, sizeof(data)};

    assert_int_equal(segments_append(s, &r, NULL), 0);
}

/* Expects the numbers [from, to) from the place `at` to the end. */
static void expect(struct segments *s, struct segments_place at, uint64_t from, uint64_t to)
{
    struct spool_record r;

    for (; segments_read(s, &at, &r); from++)
        assert_int_equal(r.seq, from);
    assert_int_equal(from, to);
    assert_true(segments_is_end(s, at));
}

static size_t files(char *ret_last, size_t size)
{
    DIR *d = opendir(path);
    const struct dirent *e;
    size_t n = 0;

    assert_non_null(d);
    *ret_last = '\0';
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        n++;
        if (strcmp(e->d_name, ret_last) > 0)
            str_copy(ret_last, size, e->d_name);
    }
    (void)closedir(d);
    return n;
}

static int set_up(void **state _unused_)
{
    if (temporary_dir_make(dir) < 0)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/spool", dir);
    return 0;
}

static int tear_down(void **state _unused_)
{
    return temporary_dir_remove(dir);
}

static void test_records_outlive_the_process(void **state _unused_)
{
    struct segments *s = open_small(1 << 20);

    for (uint64_t i = 0; i < 10; i++)
        append(s, i);
    assert_true(segments_is_unsynced(s));
    assert_int_equal(segments_sync(s, NULL), 0);
    assert_false(segments_is_unsynced(s));
    expect(s, segments_begin(s), 0, 10);
    segments_close(s);
    s = open_small(1 << 20);
    assert_int_equal(segments_bytes(s), 10 * RECORD);
    append(s, 10);
    expect(s, segments_begin(s), 0, 11);
    assert_int_equal(segments_dropped(s), 0);
    segments_close(s);
}

static void test_released_records_are_removed(void **state _unused_)
{
    struct segments *s = open_small(1 << 20);
    struct segments_place at;
    struct spool_record r;
    char last[256];

    for (uint64_t i = 0; i < 10; i++)
        append(s, i);
    at = segments_begin(s);
    for (int i = 0; i < 6; i++)
        assert_true(segments_read(s, &at, &r));
    segments_release(s, at);
    expect(s, segments_begin(s), 6, 10);
    assert_int_equal(files(last, sizeof(last)), 2);
    segments_release(s, segments_end(s));
    assert_int_equal(files(last, sizeof(last)), 0);
    assert_int_equal(segments_bytes(s), 0);
    expect(s, segments_begin(s), 0, 0);

    /* A place at the end continues with the next record. */
    at = segments_end(s);
    append(s, 20);
    append(s, 21);
    expect(s, at, 20, 22);
    segments_close(s);
}

static void test_oldest_records_are_dropped_when_full(void **state _unused_)
{
    struct segments *s = open_small(UINT64_C(12) * RECORD);
    struct segments_place at;
    struct spool_record r;

    append(s, 0);
    at = segments_begin(s);
    assert_true(segments_read(s, &at, &r));
    for (uint64_t i = 1; i < 30; i++)
        append(s, i);
    assert_true(segments_bytes(s) <= UINT64_C(12) * RECORD);
    assert_int_equal(segments_dropped(s), 20);
    expect(s, at, 20, 30); /* a reader continues with the remaining records */
    segments_close(s);

    s = open_small(UINT64_C(4) * RECORD); /* the limit is smaller than before */
    expect(s, segments_begin(s), 28, 30);
    segments_close(s);
}

static void test_torn_record_is_cut_off(void **state _unused_)
{
    char last[256], file[320];

    for (size_t torn = 1; torn <= RECORD; torn++) {
        struct segments *s = open_small(1 << 20);

        for (uint64_t i = 0; i < 6; i++)
            append(s, i);
        segments_close(s);
        (void)files(last, sizeof(last));
        (void)snprintf(file, sizeof(file), "%s/%s", path, last);
        assert_int_equal(truncate(file, (off_t)(2 * RECORD - torn)), 0);
        s = open_small(1 << 20);
        append(s, 5);
        expect(s, segments_begin(s), 0, 6);
        segments_release(s, segments_end(s));
        segments_close(s);
    }
}

static void test_damage_loses_the_rest_of_its_file(void **state _unused_)
{
    struct segments *s = open_small(1 << 20);
    struct spool_record r;
    struct segments_place at;
    char file[128];
    FILE *f;

    for (uint64_t i = 0; i < 8; i++)
        append(s, i);
    at = segments_begin(s);
    (void)snprintf(file, sizeof(file), "%s/%016llx.spool", path, (unsigned long long)at.file);
    f = fopen(file, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)RECORD + 30, SEEK_SET), 0);
    assert_int_equal(fputc('x', f), 'x');
    assert_int_equal(fclose(f), 0);
    assert_true(segments_read(s, &at, &r));
    expect(s, at, 4, 8);
    assert_int_equal(segments_damaged(s), 3 * RECORD);
    at = segments_begin(s);
    assert_true(segments_read(s, &at, &r));
    expect(s, at, 4, 8);
    assert_int_equal(segments_damaged(s), 3 * RECORD); /* counted once */
    assert_int_equal(segments_bytes(s), 5 * RECORD);
    segments_close(s);

    s = open_small(1 << 20);
    /* found again when the directory is opened */
    assert_int_equal(segments_damaged(s), 3 * RECORD);
    assert_int_equal(segments_last_epoch(s), 5);
    segments_close(s);
    s = open_small(1 << 20);
    assert_int_equal(segments_damaged(s), 0); /* and cut off */
    segments_close(s);
}

/* Damage in the file that is written: the next records are in a new file. */
static void test_records_after_damage_are_read(void **state _unused_)
{
    struct segments *s = open_small(1 << 20);
    char last[256], file[320];
    struct segments_place at;
    struct spool_record r;

    append(s, 0);
    append(s, 1);
    (void)files(last, sizeof(last));
    (void)snprintf(file, sizeof(file), "%s/%s", path, last);
    assert_int_equal(truncate(file, RECORD + 3), 0);
    at = segments_begin(s);
    assert_true(segments_read(s, &at, &r));
    assert_false(segments_read(s, &at, &r));
    append(s, 2);
    append(s, 3);
    expect(s, at, 2, 4);
    segments_close(s);
}

/* The file size limit leaves half a record, as a full disk does. */
static void test_full_disk_leaves_no_partial_record(void **state _unused_)
{
    struct rlimit old, small = {.rlim_cur = 2 * RECORD + 7};
    struct segments *s = open_small(1 << 20);
    const struct spool_record r = {1, 5, 2, "0123456789", 10};
    struct error err = ERROR_INIT;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;

    assert_int_equal(sigaction(SIGXFSZ, &ignore, &before), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    append(s, 0);
    append(s, 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(segments_append(s, &r, &err), -EFBIG);
    assert_non_null(strstr(err.msg, path));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(sigaction(SIGXFSZ, &before, NULL), 0);
    assert_int_equal(segments_bytes(s), 2 * RECORD);
    append(s, 2);
    expect(s, segments_begin(s), 0, 3);
    segments_close(s);
    s = open_small(1 << 20);
    assert_int_equal(segments_damaged(s), 0);
    expect(s, segments_begin(s), 0, 3);
    segments_close(s);
}

/* Whole files are dropped, so files are small if the limit is. */
static void test_small_limit_keeps_most_records(void **state _unused_)
{
    const struct segments_options o = {.dir = path, .max_bytes = 1 << 20};
    static const char data[1000];
    struct segments *s = NULL;

    assert_int_equal(segments_open(&s, &o, NULL), 0);
    for (uint64_t i = 0; i < 3000; i++) {
        const struct spool_record r = {1, 5, i, data, sizeof(data)};

        assert_int_equal(segments_append(s, &r, NULL), 0);
        assert_true(segments_bytes(s) <= o.max_bytes);
        if (i > 1100)
            assert_true(segments_bytes(s) >= o.max_bytes * 3 / 4);
    }
    segments_close(s);
}

static void test_write_failure_is_reported(void **state _unused_)
{
    struct segments_options o = {.dir = path, .max_bytes = 1 << 20};
    static const char data[2048];
    struct spool_record r = {1, 5, 0, data, sizeof(data)};
    struct segments *s = NULL;
    struct error err = ERROR_INIT;

    /* a file in place of the directory */
    assert_int_equal(file_write_atomic(path, "", 0, 0600, &err), 0);
    assert_true(segments_open(&s, &o, &err) < 0);
    assert_non_null(strstr(err.msg, path));
    assert_int_equal(unlink(path), 0);
    o.max_bytes = 1000;
    assert_int_equal(segments_open(&s, &o, &err), 0);
    assert_int_equal(segments_append(s, &r, &err), -EMSGSIZE);
    r.size = 100;
    assert_int_equal(segments_append(s, &r, &err), 0);
    segments_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_records_outlive_the_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_released_records_are_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_oldest_records_are_dropped_when_full, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_torn_record_is_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage_loses_the_rest_of_its_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_records_after_damage_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_disk_leaves_no_partial_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_small_limit_keeps_most_records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_write_failure_is_reported, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("segments", tests, NULL, NULL);
}
