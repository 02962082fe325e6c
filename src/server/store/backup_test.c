#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "server/sqlite/data_dir.h"
#include "server/sqlite/db_internal.h"
#include "server/sqlite/query.h"
#include "server/store/backup.h"
#include "server/store/fixture.h"
#include "server/store/hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE ((size_t)16 << 20)
#define N_HOSTS  3000 /* some MiB, which are copied in several steps */

static void add_hosts(struct db *s, unsigned first, unsigned n)
{
    assert_int_equal(db_exec(s, "BEGIN", NULL), 0);
    for (unsigned i = first; i < first + n; i++) {
        _cleanup_free_ char *id = xasprintf("h%u", i), *name = xasprintf("host %u", i);
        _cleanup_free_ char *description = xcalloc(1, 2001);
        struct host h = {.id = id, .name = name, .url = name, .is_active = true};

        memset(description, 'd', 2000);
        h.description = description;
        assert_int_equal(hosts_insert(s, &h, NULL), 0);
    }
    assert_int_equal(db_exec(s, "COMMIT", NULL), 0);
}

static void count_host(void *arg, const struct host *h)
{
    unsigned *n = arg;

    (void)h;
    *n += 1;
}

static unsigned count_hosts(struct db *s)
{
    struct error err = ERROR_INIT;
    unsigned n = 0;

    if (hosts_each(s, count_host, &n, &err) < 0)
        fail_msg("%s", err.msg);
    return n;
}

static void reopen(struct fixture *f)
{
    struct error err = ERROR_INIT;

    db_close(TAKE_PTR(f->store));
    if (store_open(&f->store, f->dir, &err) < 0)
        fail_msg("%s", err.msg);
}

static int save(const struct fixture *f, const char *file)
{
    struct error err = ERROR_INIT;
    int r = backup_save(&(struct backup_options){.data_dir = f->dir, .file = file}, &err);

    assert_int_equal(err.code, r);
    return r;
}

static int restore(const struct fixture *f, const char *file)
{
    struct error err = ERROR_INIT;
    int r = backup_restore(&(struct backup_options){.data_dir = f->dir, .file = file}, &err);

    assert_int_equal(err.code, r);
    return r;
}

static void write_file(const char *path, const char *text)
{
    assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, NULL), 0);
}

static void assert_missing(const struct fixture *f, const char *name)
{
    _cleanup_free_ char *path = fixture_path(f, name);

    if (access(path, F_OK) == 0)
        fail_msg("%s exists", name);
}

static void test_backup_is_one_private_file(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup");
    struct stat st;

    add_hosts(f->store, 0, 1);
    assert_int_equal(save(f, file), 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_missing(f, "backup-wal");
    assert_missing(f, "backup-shm");
    assert_missing(f, "backup-journal");
    assert_missing(f, "backup.unfinished");
}

static void test_backup_restores_everything(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup");
    _cleanup_free_ char *kept = fixture_path(f, "dockmon.db.before-restore");

    add_hosts(f->store, 0, 7);
    assert_int_equal(save(f, file), 0);
    add_hosts(f->store, 7, 2);
    db_close(TAKE_PTR(f->store));
    assert_int_equal(restore(f, file), 0);
    reopen(f);
    assert_int_equal(count_hosts(f->store), 7);
    assert_missing(f, "dockmon.db.restoring");

    db_close(TAKE_PTR(f->store)); /* the replaced database can be restored, too */
    assert_int_equal(restore(f, kept), 0);
    reopen(f);
    assert_int_equal(count_hosts(f->store), 9);
}

struct writer {
    struct db *store;
    unsigned n, n_calls;
    uint64_t last, total;
};

static void write_during_copy(void *owner, uint64_t done, uint64_t total)
{
    struct writer *w = owner;

    assert_true(done >= w->last && done <= total);
    w->last = done;
    w->total = total;
    w->n_calls++;
    add_hosts(w->store, w->n, 10);
    w->n += 10;
}

static void test_backup_has_the_content_of_one_moment(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup");
    struct writer w = {.store = f->store, .n = N_HOSTS};

    add_hosts(f->store, 0, N_HOSTS);
    assert_int_equal(backup_save(&(struct backup_options){.data_dir = f->dir,
                                                          .file = file,
                                                          .on_progress = write_during_copy,
                                                          .owner = &w},
                                 NULL),
                     0);
    assert_true(w.n_calls > 1);
    assert_true(w.total > 0 && w.last == w.total);
    assert_int_equal(count_hosts(f->store), w.n); /* writers did not wait for the backup */
    db_close(TAKE_PTR(f->store));
    assert_int_equal(restore(f, file), 0);
    reopen(f);
    assert_int_equal(count_hosts(f->store), N_HOSTS);
}

static void test_earlier_backup_is_replaced_only_by_a_verified_one(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup");
    _cleanup_free_ char *database = fixture_path(f, "dockmon.db");
    _cleanup_free_ char *before = NULL, *after = NULL;
    size_t size = 0, size_after = 0;

    add_hosts(f->store, 0, 2);
    assert_int_equal(save(f, file), 0);
    add_hosts(f->store, 2, 500);
    assert_int_equal(save(f, file), 0);
    assert_int_equal(file_read(file, MAX_FILE, &before, &size, NULL), 0);
    db_close(TAKE_PTR(f->store));
    assert_int_equal(truncate(database, 40960), 0);
    assert_int_equal(save(f, file), -EUCLEAN);
    assert_int_equal(file_read(file, MAX_FILE, &after, &size_after, NULL), 0);
    assert_true(size_after == size && memcmp(before, after, size) == 0);
    assert_missing(f, "backup.unfinished");
}

static void test_harmful_targets_are_refused(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *database = fixture_path(f, "dockmon.db");
    _cleanup_free_ char *link_path = fixture_path(f, "link");
    _cleanup_free_ char *nowhere = fixture_path(f, "no/such/directory");

    assert_int_equal(symlink("dockmon.db", link_path), 0);
    assert_int_equal(save(f, database), -EEXIST);
    assert_int_equal(save(f, link_path), -EEXIST);
    assert_int_equal(save(f, f->dir), -EEXIST);
    assert_int_equal(save(f, nowhere), -ENOENT);
    reopen(f);
    assert_int_equal(db_check(f->store, NULL), 0);
}

static void test_missing_database_is_an_error(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup");

    assert_int_equal(save(f, file), -ENOENT);
    assert_missing(f, "backup");
    assert_missing(f, "dockmon.db");
}

static void test_restore_is_refused_while_a_daemon_runs(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup");
    int claim = -1;

    assert_int_equal(save(f, file), 0);
    add_hosts(f->store, 0, 1);
    db_close(TAKE_PTR(f->store)); /* the lock alone must suffice */
    assert_int_equal(data_dir_lock(f->dir, &claim, NULL), 0);
    assert_int_equal(restore(f, file), -EBUSY);
    close(claim);
    reopen(f);
    assert_int_equal(count_hosts(f->store), 1);
}

static void test_restore_is_refused_while_a_process_has_the_file_open(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup");

    assert_int_equal(save(f, file), 0);
    add_hosts(f->store, 0, 1); /* as an offline command: no lock, but the file is open */
    assert_int_equal(restore(f, file), -EBUSY);
    reopen(f);
    assert_int_equal(count_hosts(f->store), 1);
    assert_missing(f, "dockmon.db.restoring");
}

static void flip_byte(const char *path, off_t at)
{
    _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
    char page[512];

    assert_true(fd >= 0);
    memset(page, 0x5a, sizeof(page));
    assert_int_equal(pwrite(fd, page, sizeof(page), at), sizeof(page));
}

static void test_damaged_and_foreign_files_are_not_restored(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *good = fixture_path(f, "good"), *text = fixture_path(f, "text");
    _cleanup_free_ char *empty = fixture_path(f, "empty"), *newer = fixture_path(f, "newer");
    _cleanup_free_ char *other = fixture_path(f, "other"), *damaged = fixture_path(f, "damaged");
    _cleanup_free_ char *missing = fixture_path(f, "missing");
    struct db *s = NULL;

    add_hosts(f->store, 0, 50);
    assert_int_equal(save(f, good), 0);
    assert_int_equal(save(f, newer), 0);
    assert_int_equal(save(f, damaged), 0);
    db_close(TAKE_PTR(f->store));
    write_file(text, "this is not a database, however long it is, and it says so");
    write_file(empty, "");
    write_file(other, "");
    assert_int_equal(db_open_file(&s, other, SQLITE_OPEN_READWRITE, NULL), 0);
    assert_int_equal(db_exec(s, "CREATE TABLE t (a)", NULL), 0);
    db_close(s);
    assert_int_equal(db_open_file(&s, newer, SQLITE_OPEN_READWRITE, NULL), 0);
    assert_int_equal(db_exec(s, "PRAGMA user_version = 9999", NULL), 0);
    db_close(s);
    flip_byte(damaged, 4096L * 8);

    assert_int_equal(restore(f, missing), -ENOENT);
    assert_int_equal(restore(f, text), -EUCLEAN);
    assert_int_equal(restore(f, empty), -EDOM);
    assert_int_equal(restore(f, other), -EDOM);
    assert_int_equal(restore(f, newer), -EDOM);
    assert_int_equal(restore(f, damaged), -EUCLEAN);
    assert_missing(f, "dockmon.db.before-restore");
    assert_missing(f, "dockmon.db.restoring");
    reopen(f);
    assert_int_equal(count_hosts(f->store), 50);
}

/* Every object that is not of the migrations: it would run with the rights of the server. */
static void test_foreign_schemas_are_not_restored(void **state)
{
    static const char *const additions[] = {
        "CREATE TRIGGER t AFTER INSERT ON user_sessions BEGIN UPDATE users SET role = 'admin'; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE t (a)",
        "ALTER TABLE users ADD COLUMN a TEXT",
        "DROP INDEX api_keys_created_by",
    };
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup");
    struct db *s = NULL;

    for (size_t i = 0; i < ARRAY_LEN(additions); i++) {
        assert_int_equal(save(f, file), 0);
        assert_int_equal(db_open_file(&s, file, SQLITE_OPEN_READWRITE, NULL), 0);
        assert_int_equal(db_exec(s, additions[i], NULL), 0);
        db_close(TAKE_PTR(s));
        db_close(TAKE_PTR(f->store));
        assert_int_equal(restore(f, file), -EUCLEAN);
        assert_missing(f, "dockmon.db.before-restore");
        reopen(f);
    }
}

static void test_a_restore_ends_all_sessions(void **state)
{
    static const char insert[] =
        "INSERT INTO users (id, name, password_hash, role, must_change_password, created_at_ms, "
        "updated_at_ms) VALUES (1, 'a', 'h', 'admin', 0, 1, 1);"
        "INSERT INTO user_sessions VALUES ('s', 1, NULL, 1, 9000000000000)";
    static const char count[] = "SELECT count(*) FROM user_sessions";
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup");
    int64_t n = -1;

    assert_int_equal(db_exec(f->store, insert, NULL), 0);
    assert_int_equal(query_number(f->store, count, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_int_equal(save(f, file), 0);
    db_close(TAKE_PTR(f->store));
    assert_int_equal(restore(f, file), 0);
    reopen(f);
    assert_int_equal(query_number(f->store, count, &n, NULL), 0);
    assert_int_equal(n, 0);
}

static void test_a_directory_that_all_can_write_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    struct db *s = NULL;

    assert_int_equal(chmod(f->dir, 0777), 0);
    assert_int_equal(store_open(&s, f->dir, &err), -EDOM);
    assert_non_null(strstr(err.msg, "chmod 700"));
    assert_int_equal(chmod(f->dir, 0700), 0);
}

/* The WAL of the damaged database must not be applied to the new one. */
static void test_damaged_database_is_replaced_with_its_wal(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup"), *wal = fixture_path(f, "dockmon.db-wal");
    _cleanup_free_ char *database = fixture_path(f, "dockmon.db");

    add_hosts(f->store, 0, 5);
    assert_int_equal(save(f, file), 0);
    db_close(TAKE_PTR(f->store));
    write_file(database, "rubbish, and more than sixteen bytes of it");
    write_file(wal, "old log");
    assert_int_equal(restore(f, file), 0);
    assert_missing(f, "dockmon.db-wal");
    reopen(f);
    assert_int_equal(count_hosts(f->store), 5);
}

static void test_backup_is_restored_into_an_empty_directory(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup"),
                        *database = fixture_path(f, "dockmon.db");
    struct stat st;

    add_hosts(f->store, 0, 3);
    assert_int_equal(save(f, file), 0);
    db_close(TAKE_PTR(f->store));
    assert_int_equal(unlink(database), 0);
    assert_int_equal(restore(f, file), 0);
    assert_missing(f, "dockmon.db.before-restore");
    assert_int_equal(stat(database, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    reopen(f);
    assert_int_equal(count_hosts(f->store), 3);
}

static void make_dir(const char *path)
{
    if (mkdir(path, 0700) < 0)
        assert_int_equal(errno, EEXIST);
}

/* Creates or replaces tls/ and a database of the history, which have `text` inside. */
static void make_files(struct fixture *f, const char *text)
{
    static const char *const names[] = {"tls/key.pem", "tls/cert.pem", "history/other.txt"};
    _cleanup_free_ char *tls = fixture_path(f, "tls"), *history = fixture_path(f, "history");
    _cleanup_free_ char *head = fixture_path(f, "history/head.db");
    _cleanup_free_ char *sql = xasprintf("DROP TABLE IF EXISTS t; CREATE TABLE t AS SELECT '%s' a",
                                         text);
    struct db *s;

    make_dir(tls);
    make_dir(history);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        _cleanup_free_ char *path = fixture_path(f, names[i]);

        write_file(path, text);
    }
    assert_int_equal(db_open(&s, history, head, sql, NULL), 0); /* in WAL mode, as the server's */
    db_close(s);
}

static bool has_content(struct fixture *f, const char *name, const char *text)
{
    _cleanup_free_ char *path = fixture_path(f, name), *content = NULL;
    size_t size = 0;

    return file_read(path, MAX_FILE, &content, &size, NULL) == 0 &&
           memmem(content, size, text, strlen(text));
}

static void test_key_and_history_come_back_and_the_replaced_ones_are_kept(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup"), *key = fixture_path(f, "tls/key.pem");
    struct backup_contents contents = {0};
    struct backup_options o = {.data_dir = f->dir, .file = file, .ret_contents = &contents};
    struct stat st;

    add_hosts(f->store, 0, 2);
    make_files(f, "first");
    assert_int_equal(backup_save(&o, NULL), 0);
    assert_true(contents.has_tls);
    assert_int_equal(contents.n_history, 1);
    assert_missing(f, "backup.unfinished.part");
    db_close(TAKE_PTR(f->store));
    for (unsigned n = 1; n <= 3; n++) {
        static const char *const numbers[] = {"", ".2", ".3"};
        _cleanup_free_ char *text = xasprintf("state %u", n), *kept = NULL;
        _cleanup_free_ char *old_key = xasprintf("tls.before-restore%s/key.pem", numbers[n - 1]);
        _cleanup_free_ char *old_head = xasprintf("history.before-restore%s/head.db",
                                                  numbers[n - 1]);

        make_files(f, text);
        o.ret_kept = &kept;
        assert_int_equal(backup_restore(&o, NULL), 0);
        assert_true(str_ends_with(kept, n == 1 ? ".before-restore" : numbers[n - 1]));
        assert_int_equal(access(kept, F_OK), 0);
        assert_true(has_content(f, "tls/key.pem", "first"));
        assert_true(has_content(f, "tls/cert.pem", "first"));
        assert_true(has_content(f, "history/head.db", "first"));
        assert_true(has_content(f, old_key, text) && has_content(f, old_head, text));
    }
    assert_int_equal(stat(key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_missing(f, "restoring");
    reopen(f);
    assert_int_equal(count_hosts(f->store), 2);
}

static void test_key_and_history_can_be_left_out_and_then_stay(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup");
    struct backup_contents contents = {0};
    const struct backup_options o = {.data_dir = f->dir,
                                     .file = file,
                                     .without_tls = true,
                                     .without_history = true,
                                     .ret_contents = &contents};

    make_files(f, "first");
    assert_int_equal(backup_save(&o, NULL), 0);
    assert_false(contents.has_tls || contents.n_history);
    assert_false(has_content(f, "backup", "first"));
    db_close(TAKE_PTR(f->store));
    assert_int_equal(restore(f, file), 0);
    assert_true(has_content(f, "tls/key.pem", "first"));
    assert_missing(f, "tls.before-restore");
    assert_missing(f, "history.before-restore");
}

static void test_a_damaged_file_of_the_history_is_left_out(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup");
    _cleanup_free_ char *bad = fixture_path(f, "history/10s-1.db");
    struct backup_contents contents = {0};
    const struct backup_options o = {.data_dir = f->dir, .file = file, .ret_contents = &contents};

    make_files(f, "first");
    write_file(bad, "rubbish that is long enough to be a header of a database, but is none");
    assert_int_equal(backup_save(&o, NULL), 0);
    assert_int_equal(contents.n_history, 1);
    assert_int_equal(contents.n_skipped, 1);
}

static void test_a_backup_cannot_write_elsewhere(void **state)
{
    static const char *const paths[] = {"../escaped", "tls/../../escaped", "/tmp/escaped",
                                        "tls/",       "history/.x",        "dockmon.db",
                                        "tls/a/b",    "other/x",           ""};
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup");

    assert_int_equal(save(f, file), 0);
    db_close(TAKE_PTR(f->store));
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        _cleanup_free_ char *sql = xasprintf(
            "DELETE FROM backup_files; INSERT INTO backup_files VALUES ('%s', 0, x'00')", paths[i]);
        struct db *s;

        assert_int_equal(db_open_file(&s, file, SQLITE_OPEN_READWRITE, NULL), 0);
        assert_int_equal(db_exec(s, sql, NULL), 0);
        db_close(s);
        assert_int_equal(restore(f, file), -EDOM);
        assert_missing(f, "restoring");
        assert_missing(f, "dockmon.db.before-restore");
    }
}

static void test_a_backup_can_be_cancelled(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "backup");
    const _Atomic bool is_cancelled = true;
    const struct backup_options o = {
        .data_dir = f->dir, .file = file, .is_cancelled = &is_cancelled};

    add_hosts(f->store, 0, N_HOSTS);
    assert_int_equal(backup_save(&o, NULL), -ECANCELED);
    assert_missing(f, "backup");
    assert_missing(f, "backup.unfinished");
}

#define EMPTY(name) cmocka_unit_test_setup_teardown(name, fixture_setup_empty, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_backup_is_one_private_file),
        TEST(test_backup_restores_everything),
        TEST(test_backup_has_the_content_of_one_moment),
        TEST(test_earlier_backup_is_replaced_only_by_a_verified_one),
        TEST(test_harmful_targets_are_refused),
        EMPTY(test_missing_database_is_an_error),
        TEST(test_restore_is_refused_while_a_daemon_runs),
        TEST(test_restore_is_refused_while_a_process_has_the_file_open),
        TEST(test_damaged_and_foreign_files_are_not_restored),
        TEST(test_foreign_schemas_are_not_restored),
        TEST(test_a_restore_ends_all_sessions),
        TEST(test_a_directory_that_all_can_write_is_refused),
        TEST(test_damaged_database_is_replaced_with_its_wal),
        TEST(test_backup_is_restored_into_an_empty_directory),
        TEST(test_key_and_history_come_back_and_the_replaced_ones_are_kept),
        TEST(test_key_and_history_can_be_left_out_and_then_stay),
        TEST(test_a_damaged_file_of_the_history_is_left_out),
        TEST(test_a_backup_cannot_write_elsewhere),
        TEST(test_a_backup_can_be_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
