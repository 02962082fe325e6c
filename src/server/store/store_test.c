#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "server/sqlite/db_internal.h"
#include "server/sqlite/migrate.h"
#include "server/sqlite/query.h"
#include "server/store/agents.h"
#include "server/store/api_keys.h"
#include "server/store/audit.h"
#include "server/store/container_settings.h"
#include "server/store/events.h"
#include "server/store/fixture.h"
#include "server/store/hosts.h"
#include "server/store/identities.h"
#include "server/store/settings.h"
#include "server/store/store.h"
#include "server/store/tokens.h"
#include "server/store/users.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define EMPTY(name) cmocka_unit_test_setup_teardown(name, fixture_setup_empty, fixture_teardown)

static int get_mode(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return (int)(st.st_mode & 0777);
}

static int64_t read_version(struct db *s)
{
    static const char sql[] = "SELECT user_version FROM pragma_user_version";
    _cleanup_(query_done) struct query q = {0};

    assert_int_equal(query_init(&q, s, sql, NULL), 0);
    assert_int_equal(query_step(&q, NULL), 1);
    return query_column_i64(&q, 0);
}

static void test_directory_and_files_are_private(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *dir = fixture_path(f, "data");
    _cleanup_free_ char *path = fixture_path(f, "data/dockmon.db");
    _cleanup_free_ char *wal = fixture_path(f, "data/dockmon.db-wal");
    struct db *s = NULL;

    assert_int_equal(store_open(&s, dir, NULL), 0);
    assert_int_equal(get_mode(dir), 0700);
    assert_int_equal(get_mode(path), 0600);
    assert_int_equal(settings_set(s, "k", "v", NULL), 0);
    assert_int_equal(get_mode(wal), 0600);
    db_close(s);

    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(store_open(&s, dir, NULL), 0);
    assert_int_equal(get_mode(path), 0600);
    db_close(s);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void test_content_remains_after_reopening(void **state)
{
    struct fixture *f = *state;
    char *value = NULL;

    assert_int_equal(settings_set(f->store, "k", "v", NULL), 0);
    db_close(TAKE_PTR(f->store));
    assert_int_equal(store_open(&f->store, f->dir, NULL), 0);
    assert_int_equal(settings_get(f->store, "k", &value, NULL), 0);
    assert_string_equal(value, "v");
    free(value);
    assert_int_equal(read_version(f->store), n_migrations);
    assert_int_equal(db_check(f->store, NULL), 0);
}

static int set_and_fail(struct db *s, void *arg, struct error *err)
{
    assert_int_equal(settings_set(s, "k", "v", NULL), 0);
    return error_set(err, *(const int *)arg, "made to fail");
}

static void test_transactions_are_all_or_nothing(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct error err = ERROR_INIT;
    char *value = NULL;

    assert_int_equal(db_tx(s, set_and_fail, &(int){-EPROTO}, &err), -EPROTO);
    assert_string_equal(err.msg, "made to fail");
    assert_int_equal(settings_get(s, "k", &value, NULL), -ENOENT);
    assert_int_equal(db_tx(s, set_and_fail, &(int){0}, NULL), 0);
    assert_int_equal(settings_get(s, "k", &value, NULL), 0);
    free(value);
}

#define N_INCREMENTS 50

static int increment(struct db *s, void *arg, struct error *err)
{
    _cleanup_free_ char *value = NULL;
    char text[24];
    uint64_t n = 0;

    (void)arg;
    if (settings_get(s, "n", &value, err) == 0)
        assert_int_equal(parse_u64(value, UINT64_MAX, &n), 0);
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n + 1);
    return settings_set(s, "n", text, err);
}

static void *increment_thread(void *arg)
{
    struct db *s = NULL;
    int r;

    r = store_open(&s, arg, NULL);
    for (int i = 0; i < N_INCREMENTS && r == 0; i++)
        r = db_tx(s, increment, NULL, NULL);
    db_close(s);
    return r == 0 ? arg : NULL;
}

static void test_transactions_do_not_interleave(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *value = NULL, *expected = NULL;
    pthread_t threads[3];
    void *result;

    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, increment_thread, f->dir), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_non_null(result);
    }
    expected = xasprintf("%zu", ARRAY_LEN(threads) * N_INCREMENTS);
    assert_int_equal(settings_get(f->store, "n", &value, NULL), 0);
    assert_string_equal(value, expected);
}

static void test_locked_database_is_busy(void **state)
{
    struct fixture *f = *state;
    struct db *other = NULL;
    struct error err = ERROR_INIT;

    assert_int_equal(store_open(&other, f->dir, NULL), 0);
    assert_int_equal(sqlite3_busy_timeout(other->handle, 20), SQLITE_OK);
    assert_int_equal(db_exec(f->store, "BEGIN IMMEDIATE", NULL), 0);
    assert_int_equal(settings_set(other, "k", "v", &err), -ENOBUFS);
    assert_non_null(strstr(err.msg, "locked"));
    assert_int_equal(db_tx(other, set_and_fail, &(int){0}, NULL), -ENOBUFS);
    assert_int_equal(db_exec(f->store, "COMMIT", NULL), 0);
    assert_int_equal(settings_set(other, "k", "v", NULL), 0);
    db_close(other);
}

static void test_full_disk_is_reported_and_survived(void **state)
{
    struct db *s = ((struct fixture *)*state)->store;
    struct error err = ERROR_INIT;
    _cleanup_free_ char *big = xcalloc(1, 1 << 20), *value = NULL;

    memset(big, 'x', (1 << 20) - 1);
    assert_int_equal(settings_set(s, "small", "v", NULL), 0);
    /* The smallest limit that SQLite accepts: the present number of pages. */
    assert_int_equal(db_exec(s, "PRAGMA max_page_count = 1", NULL), 0);
    assert_int_equal(settings_set(s, "big", big, &err), -ENOSPC);
    assert_non_null(strstr(err.msg, "disk is full"));
    assert_int_equal(settings_get(s, "small", &value, NULL), 0);
    assert_int_equal(db_tx(s, set_and_fail, &(int){0}, NULL), 0);
    assert_int_equal(db_exec(s, "PRAGMA max_page_count = 1073741823", NULL), 0);
    assert_int_equal(settings_set(s, "big", big, NULL), 0);
}

static void test_one_daemon_locks_a_directory(void **state)
{
    struct fixture *f = *state;
    struct db *other = NULL;
    struct error err = ERROR_INIT;

    assert_int_equal(store_open(&other, f->dir, NULL), 0);
    assert_int_equal(db_lock(f->store, f->dir, NULL), 0);
    assert_int_equal(db_lock(other, f->dir, &err), -EBUSY);
    assert_non_null(strstr(err.msg, f->dir));
    db_close(TAKE_PTR(f->store));
    assert_int_equal(db_lock(other, f->dir, NULL), 0);
    db_close(other);
}

static void test_unusable_directories_are_named(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, "file");
    _cleanup_free_ char *deep = fixture_path(f, "file/deep");
    struct error err = ERROR_INIT;
    struct db *s = NULL;

    assert_int_equal(file_write_atomic(file, "x", 1, 0600, NULL), 0);
    assert_int_equal(store_open(&s, file, &err), -ENOTDIR);
    assert_non_null(strstr(err.msg, file));
    assert_int_equal(store_open(&s, deep, &err), -ENOTDIR);
    assert_non_null(strstr(err.msg, deep));
    assert_null(s);
}

/*
 * Runs in the child, without root's rights. Returns 0 if the message has the file and the reason.
 */
static int open_as_nobody(const char *dir)
{
    struct error err = ERROR_INIT;
    struct db *s = NULL;

    if (setgid(65534) < 0 || setuid(65534) < 0)
        return 1;
    if (store_open(&s, dir, &err) != -EACCES)
        return 2;
    return strstr(err.msg, "dockmon.db") && strstr(err.msg, "Permission denied") ? 0 : 3;
}

static void test_read_only_directory_is_named(void **state)
{
    struct fixture *f = *state;
    pid_t child;
    int status;

    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(f->dir, 0555), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(open_as_nobody(f->dir));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_other_kinds_of_files_are_refused(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *path = fixture_path(f, "dockmon.db");
    struct db *s = NULL;

    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(store_open(&s, f->dir, NULL), -ELOOP);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(store_open(&s, f->dir, NULL) < 0);
    assert_int_equal(rmdir(path), 0);
    assert_null(s);
}

static void run_raw(const struct fixture *f, const char *sql)
{
    _cleanup_free_ char *path = fixture_path(f, "dockmon.db");
    char *message = NULL;
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_newer_and_foreign_databases_are_refused(void **state)
{
    static const struct {
        const char *sql, *message;
    } cases[] = {
        {"PRAGMA user_version = 4711", "newer version of the program"},
        {"PRAGMA application_id = 1",  "another program"             },
        {"PRAGMA application_id = 0",  "another program"             },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = *state;
        _cleanup_free_ char *mended = xasprintf(
            "PRAGMA user_version = %u; PRAGMA application_id = 1147882862", n_migrations);
        struct error err = ERROR_INIT;

        db_close(TAKE_PTR(f->store));
        run_raw(f, cases[i].sql);
        assert_int_equal(store_open(&f->store, f->dir, &err), -EDOM);
        assert_non_null(strstr(err.msg, cases[i].message));
        assert_null(f->store);
        run_raw(f, mended);
        assert_int_equal(store_open(&f->store, f->dir, NULL), 0);
    }
}

/* Loads a database of an earlier version, saved with `sqlite3 .dump`. */
static void load_saved(const struct fixture *f, const char *name)
{
    _cleanup_free_ char *path = xasprintf(TESTDATA_DIR "/%s", name);
    _cleanup_free_ char *sql = NULL;

    assert_int_equal(file_read(path, 1 << 20, &sql, NULL, NULL), 0);
    run_raw(f, sql);
}

static void count_event(void *arg, const struct event *e)
{
    assert_string_equal(e->dedup_key, "h1/0123/die/1750000000123456789");
    ++*(int *)arg;
}

static void test_version_1_database_is_migrated(void **state)
{
    struct fixture *f = *state;
    struct db *s;
    enum token_verdict verdict = TOKEN_UNKNOWN;
    struct identity_row who = {0};
    struct agent agent = {0};
    struct host host = {0};
    struct user user = {0};
    int n_events = 0;

    load_saved(f, "v1.sql");
    assert_int_equal(store_open(&f->store, f->dir, NULL), 0);
    s = f->store;
    assert_int_equal(read_version(s), n_migrations);
    assert_int_equal(db_check(s, NULL), 0);

    assert_int_equal(hosts_get(s, "h1", &host, NULL), 0);
    assert_string_equal(host.name, "alpha");
    assert_int_equal(host.num_cpus, 16);
    assert_int_equal(agents_get_by_token_hash(s, "aa", &agent, NULL), 0);
    assert_string_equal(agent.host_id, "h1");
    assert_int_equal(users_get_by_name(s, "admin", &user, NULL), 0);
    assert_int_equal(user.role, ROLE_ADMIN);
    assert_int_equal(identities_get_by_key(s, "cc", 5, &who, NULL), 0);
    assert_int_equal(who.role, ROLE_VIEWER);
    assert_int_equal(tokens_consume(s, "abc", 5, &verdict, NULL), 0);
    assert_int_equal(verdict, TOKEN_OK);
    assert_int_equal(
        events_list(s, &(struct events_query){.page.limit = 9}, count_event, &n_events, NULL, NULL),
        0);
    assert_int_equal(n_events, 1);
    for (enum container_setting_kind kind = 0; kind < CONTAINER_SETTING_KINDS; kind++) {
        const struct container_setting_key key = {.host_id = "h1", .subject = "web", .kind = kind};
        _cleanup_free_ char *data = NULL;

        /* The first version had no kind for the address alone. */
        assert_int_equal(container_settings_get(s, &key, &data, NULL),
                         kind == CONTAINER_WEB_UI_URL ? -ENOENT : 0);
        if (kind == CONTAINER_DESIRED_STATE)
            assert_string_equal(data, "{\"desired_state\":\"should_run\"}");
    }
    host_done(&host);
    agent_done(&agent);
    user_done(&user);
    identity_row_done(&who);
}

static void fill(struct db *s)
{
    for (int i = 0; i < 300; i++) {
        char key[16], value[200];

        (void)snprintf(key, sizeof(key), "key-%d", i);
        memset(value, 'v', sizeof(value) - 1);
        value[sizeof(value) - 1] = '\0';
        assert_int_equal(settings_set(s, key, value, NULL), 0);
    }
}

/* Opens, checks and uses a file that may be damaged: only the listed results are allowed. */
static void use_damaged(const struct fixture *f)
{
    struct db *s = NULL;
    struct error err = ERROR_INIT;
    char *value = NULL;
    int r;

    r = store_open(&s, f->dir, &err);
    if (r == 0)
        r = db_check(s, &err);
    if (r == 0) /* damage in free space or in values: all rows must be readable */
        r = settings_get(s, "key-7", &value, &err);
    free(value);
    if (r < 0) {
        assert_int_equal(err.code, r);
        assert_non_null(strstr(err.msg, r == -ENOENT ? "key-7" : f->dir));
    }
    db_close(s);
}

static void test_damaged_files_are_reported(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *path = fixture_path(f, "dockmon.db");
    _cleanup_free_ char *content = NULL;
    struct error err = ERROR_INIT;
    struct db *s = NULL;
    size_t size;

    fill(f->store);
    db_close(TAKE_PTR(f->store)); /* checkpoints the WAL into the file */
    assert_int_equal(file_read(path, 1 << 24, &content, &size, NULL), 0);

    assert_int_equal(file_write_atomic(path,
                                       "no database at all, only text........"
                                       "..........................................."
                                       "...........................................",
                                       120, 0600, NULL),
                     0);
    assert_int_equal(store_open(&s, f->dir, &err), -EUCLEAN);
    assert_non_null(strstr(err.msg, "damaged"));

    for (size_t keep = 1; keep < size; keep += 3001) { /* cut short */
        assert_int_equal(file_write_atomic(path, content, keep, 0600, NULL), 0);
        use_damaged(f);
    }
    for (size_t at = 16; at < size; at += 997) { /* overwritten */
        _cleanup_free_ char *bad = xmemdup(content, size);

        memset(bad + at, 0xa5, size - at < 64 ? size - at : 64);
        assert_int_equal(file_write_atomic(path, bad, size, 0600, NULL), 0);
        use_damaged(f);
    }

    memset(content + 4096, 0xff, 2000); /* the second page: the root of a table */
    assert_int_equal(file_write_atomic(path, content, size, 0600, NULL), 0);
    assert_int_equal(store_open(&s, f->dir, NULL), 0);
    assert_int_equal(db_check(s, &err), -EUCLEAN);
    db_close(s);
}

/* The state is that of the file: it stays while writes fail, and those of a statement are none. */
static void test_state_follows_the_file(void **state)
{
    struct fixture *f = *state;
    struct db *other = NULL;

    assert_int_equal(db_state(f->store), 0);
    assert_int_equal(db_exec(f->store, "CREATE TABLE t (x UNIQUE); INSERT INTO t VALUES (1)", NULL),
                     0);
    assert_int_equal(db_exec(f->store, "INSERT INTO t VALUES (1)", NULL), -EEXIST);
    assert_int_equal(db_state(f->store), 0);

    assert_int_equal(db_exec(f->store, "PRAGMA query_only = 1", NULL), 0);
    assert_int_equal(db_exec(f->store, "INSERT INTO t VALUES (2)", NULL), -EROFS);
    assert_int_equal(db_state(f->store), -EROFS);
    assert_int_equal(db_exec(f->store, "PRAGMA query_only = 0", NULL), 0);
    assert_int_equal(db_state(f->store), -EROFS); /* nothing was written since */

    assert_int_equal(store_open(&other, f->dir, NULL), 0);
    assert_int_equal(db_exec(other, "BEGIN IMMEDIATE", NULL), 0);
    assert_int_equal(db_probe(f->store, NULL), -ENOBUFS);
    assert_int_equal(db_state(f->store), -ENOBUFS);
    db_close(other);
    assert_int_equal(db_probe(f->store, NULL), 0);
    assert_int_equal(db_state(f->store), 0);

    assert_int_equal(db_exec(f->store, "PRAGMA max_page_count = 200", NULL), 0);
    assert_int_equal(db_exec(f->store, "INSERT INTO t VALUES (zeroblob(9000000))", NULL), -ENOSPC);
    assert_int_equal(db_state(f->store), -ENOSPC);
    assert_int_equal(db_probe(f->store, NULL), 0);
    assert_int_equal(db_state(f->store), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EMPTY(test_directory_and_files_are_private),
        TEST(test_content_remains_after_reopening),
        TEST(test_transactions_are_all_or_nothing),
        TEST(test_transactions_do_not_interleave),
        TEST(test_locked_database_is_busy),
        TEST(test_full_disk_is_reported_and_survived),
        TEST(test_state_follows_the_file),
        TEST(test_one_daemon_locks_a_directory),
        EMPTY(test_unusable_directories_are_named),
        EMPTY(test_read_only_directory_is_named),
        EMPTY(test_other_kinds_of_files_are_refused),
        TEST(test_newer_and_foreign_databases_are_refused),
        EMPTY(test_version_1_database_is_migrated),
        TEST(test_damaged_files_are_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
