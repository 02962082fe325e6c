/*
 * Tests the mechanism with other migrations: the two symbols replace the generated ones.
 */

#include "server/sqlite/db_internal.h"
#include "server/sqlite/migrate.h"
#include "server/sqlite/query.h"
#include "server/store/fixture.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

const struct migration migrations[] = {
    {"0001_one",
     "CREATE TABLE one (x INTEGER NOT NULL UNIQUE) STRICT; INSERT INTO one VALUES (1);"       },
    {"0002_two",   "CREATE TABLE two (x INTEGER NOT NULL) STRICT; INSERT INTO one VALUES (2);"},
    {"0003_three", "INSERT INTO two SELECT x FROM one;"                                       },
};
const unsigned n_migrations = ARRAY_LEN(migrations);

static int64_t read_number(struct db *s, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int64_t n;

    assert_int_equal(sqlite3_prepare_v2(s->handle, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    n = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return n;
}

static void test_migrations_are_applied_once_and_in_order(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_open(&f->store, f->dir, NULL), 0);
        assert_int_equal(read_number(f->store, "PRAGMA user_version"), 3);
        assert_int_equal(read_number(f->store, "SELECT count(*) FROM two"), 2);
        if (i == 0)
            db_close(TAKE_PTR(f->store));
    }
}

/* Creates a file at version 1 in which the second migration fails. */
static void create_failing(struct fixture *f)
{
    _cleanup_free_ char *path = fixture_path(f, "dockmon.db");
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA application_id = 1147882862; PRAGMA user_version = 1;"
                                  "CREATE TABLE one (x INTEGER NOT NULL UNIQUE) STRICT;"
                                  "INSERT INTO one VALUES (2);",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_failed_migration_changes_nothing(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *path = fixture_path(f, "dockmon.db");
    struct error err = ERROR_INIT;
    struct db raw = {0};

    create_failing(f);
    assert_int_equal(store_open(&f->store, f->dir, &err), -EEXIST);
    assert_non_null(strstr(err.msg, "0002_two"));

    assert_int_equal(sqlite3_open(path, &raw.handle), SQLITE_OK);
    assert_int_equal(read_number(&raw, "PRAGMA user_version"), 1);
    assert_int_equal(read_number(&raw, "SELECT count(*) FROM sqlite_schema WHERE name = 'two'"), 0);
    assert_int_equal(sqlite3_exec(raw.handle, "DELETE FROM one", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(raw.handle), SQLITE_OK);

    assert_int_equal(store_open(&f->store, f->dir, NULL), 0);
    assert_int_equal(read_number(f->store, "PRAGMA user_version"), 3);
}

static void *open_thread(void *arg)
{
    struct db *s = NULL;
    int r = store_open(&s, arg, NULL);

    db_close(s);
    return r == 0 ? arg : NULL;
}

static void test_two_threads_may_create_a_database(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[4];
    void *result;

    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_thread, f->dir), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_non_null(result);
    }
    assert_int_equal(store_open(&f->store, f->dir, NULL), 0);
    assert_int_equal(read_number(f->store, "SELECT count(*) FROM two"), 2);
}

#define EMPTY(name) cmocka_unit_test_setup_teardown(name, fixture_setup_empty, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EMPTY(test_migrations_are_applied_once_and_in_order),
        EMPTY(test_failed_migration_changes_nothing),
        EMPTY(test_two_threads_may_create_a_database),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
