#include "base/alloc.h"
#include "base/macros.h"
#include "server/offline/admin.h"
#include "server/offline/backup_command.h"
#include "server/store/audit.h"
#include "server/store/fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int run(const char *dir, const char *word, const char *file)
{
    _cleanup_free_ char *w = xstrdup(word), *f = xstrdup(file);
    char *argv[] = {w, f, NULL};

    return admin_run(file ? 2 : 1, argv, dir);
}

static void see_action(void *arg, const struct audit_entry *e)
{
    const char **expected = arg;

    assert_string_equal(e->action, *expected);
    assert_string_equal(e->who, "offline");
    *expected = NULL;
}

static void assert_audited(struct db *s, const char *action)
{
    const char *expected = action;

    assert_int_equal(
        audit_list(s, &(struct audit_query){.page.limit = 1}, see_action, &expected, NULL, NULL),
        0);
    assert_null(expected);
}

static void test_backup_and_restore_are_recorded_in_the_audit_log(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup");

    assert_int_equal(run(f->dir, "backup", file), 0);
    assert_audited(f->store, "backup.create");
    db_close(TAKE_PTR(f->store));
    assert_int_equal(run("/dev/null/deep", "restore", file), 1);
    assert_int_equal(run(f->dir, "restore", file), 0);
    assert_int_equal(store_open(&f->store, f->dir, NULL), 0);
    assert_audited(f->store, "backup.restore");
}

static void test_failures_exit_with_1_and_wrong_usage_with_2(void **state)
{
    struct fixture *f = *state;
    char word[] = "backup", file[] = "x", flag[] = "--nonsense", help[] = "--help";

    assert_int_equal(run(f->dir, "restore", "/dev/null/deep/backup"), 1);
    assert_int_equal(run(f->dir, "backup", "/dev/null/deep/backup"), 1);
    assert_int_equal(run(f->dir, "backup", NULL), 2);
    assert_int_equal(run(f->dir, "backup", ""), 2);
    assert_int_equal(admin_run(3, (char *[]){word, file, file, NULL}, f->dir), 2);
    assert_int_equal(admin_run(3, (char *[]){word, file, flag, NULL}, f->dir), 2);
    assert_int_equal(admin_run(2, (char *[]){word, help, NULL}, f->dir), 0);
    assert_true(admin_is_command("backup") && admin_is_command("restore"));
    assert_non_null(strstr(admin_help(), "restore FILE"));
}

static void test_backup_of_a_wrong_directory_asks_for_the_right_one(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *empty = fixture_path(f, "empty"), *file = fixture_path(f, "backup");
    struct error err = ERROR_INIT;

    assert_int_equal(mkdir(empty, 0700), 0);
    assert_int_equal(run(empty, "backup", file), 1);
    assert_int_equal(access(file, F_OK), -1);
    assert_int_equal(rmdir(empty), 0); /* nothing was created in it */
    assert_int_equal(store_require(empty, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "is --data-dir right?"));
    assert_int_equal(store_require(f->dir, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_backup_and_restore_are_recorded_in_the_audit_log),
        TEST(test_failures_exit_with_1_and_wrong_usage_with_2),
        TEST(test_backup_of_a_wrong_directory_asks_for_the_right_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
