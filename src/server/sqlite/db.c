#include "server/sqlite/db.h"
#include "base/alloc.h"
#include "base/time.h"
#include "server/sqlite/data_dir.h"
#include "server/sqlite/db_internal.h"
#include "server/sqlite/query.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUSY_TIMEOUT_MS  5000
#define PROBE_TIMEOUT_MS 100
#define SETUP_RETRY_MS   5

static const char connection_setup[] = "PRAGMA journal_mode = WAL;"
                                       "PRAGMA synchronous = NORMAL;"
                                       "PRAGMA foreign_keys = ON;"
                                       "PRAGMA journal_size_limit = 16777216;";

/* Remembers failures of the file and its disk, not those of a statement. */
static void remember_state(struct db *d, int code)
{
    static const int lasting[] = {-ENOSPC, -EROFS, -ENOBUFS, -EUCLEAN, -EIO};

    for (size_t i = 0; i < ARRAY_LEN(lasting); i++) {
        if (code == lasting[i])
            d->state = code;
    }
}

static int describe_error(struct db *d, int sqlite_code, struct error *err)
{
    const char *text = sqlite3_errmsg(d->handle);

    switch (sqlite_code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY: return error_set(err, -EEXIST, "%s: %s", d->path, text);
    default: break;
    }

    /* Creating or growing a file beside the database fails with one of these. */
    if (((sqlite_code & 0xff) == SQLITE_IOERR || (sqlite_code & 0xff) == SQLITE_CANTOPEN) &&
        sqlite3_system_errno(d->handle) == ENOSPC)
        sqlite_code = SQLITE_FULL;

    switch (sqlite_code & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG: return error_set(err, -EINVAL, "%s: %s", d->path, text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(err, -ENOBUFS, "%s is locked by another process; try again later",
                         d->path);
    case SQLITE_FULL: return error_set(err, -ENOSPC, "%s: the disk is full", d->path);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return error_set(err, -EROFS, "%s: %s; the directory and its files must be writable",
                         d->path, text);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return error_set(err, -EUCLEAN, "%s is damaged (%s); restore it from a backup", d->path,
                         text);
    default: return error_set(err, -EIO, "%s: %s", d->path, text);
    }
}

int db_error(struct db *d, int sqlite_code, struct error *err)
{
    int r = describe_error(d, sqlite_code, err);

    remember_state(d, r);
    return r;
}

int db_exec(struct db *d, const char *sql, struct error *err)
{
    int r = sqlite3_exec(d->handle, sql, NULL, NULL, NULL);

    return r == SQLITE_OK ? 0 : db_error(d, sqlite3_extended_errcode(d->handle), err);
}

bool db_in_tx(const struct db *d)
{
    return !sqlite3_get_autocommit(d->handle);
}

int db_open_file(struct db **ret, const char *path, int flags, struct error *err)
{
    _cleanup_(db_closep) struct db *d = xcalloc(1, sizeof(*d));
    int r;

    d->lock_fd = -1;
    d->path = xstrdup(path);
    r = sqlite3_open_v2(path, &d->handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                        NULL);
    if (r != SQLITE_OK)
        return db_error(d, r, err);
    (void)sqlite3_busy_timeout(d->handle, BUSY_TIMEOUT_MS); /* fails for closed handles only */
    *ret = TAKE_PTR(d);
    return 0;
}

/*
 * SQLite does not wait for its busy timeout when a database changes to WAL while another connection
 * opens or closes it, as a daemon and an offline command may on the first start.
 */
static int set_up_connection(struct db *d, struct error *err)
{
    uint64_t deadline_ms = time_monotonic_ms() + BUSY_TIMEOUT_MS;
    int r = sqlite3_exec(d->handle, connection_setup, NULL, NULL, NULL);

    while ((r & 0xff) == SQLITE_BUSY && time_monotonic_ms() < deadline_ms) {
        (void)sqlite3_sleep(SETUP_RETRY_MS); /* returns the time slept */
        r = sqlite3_exec(d->handle, connection_setup, NULL, NULL, NULL);
    }
    return r == SQLITE_OK ? 0 : db_error(d, sqlite3_extended_errcode(d->handle), err);
}

int db_open(
    struct db **ret, const char *dir, const char *path, const char *schema, struct error *err)
{
    _cleanup_(db_closep) struct db *d = NULL;
    int r = data_dir_prepare(dir, path, err);

    if (r == 0)
        r = db_open_file(&d, path, SQLITE_OPEN_READWRITE, err);
    if (r == 0 && schema)
        r = db_exec(d, schema, err);
    if (r == 0)
        r = set_up_connection(d, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(d);
    return 0;
}

void db_close(struct db *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < DB_MAX_STATEMENTS; i++)
        (void)sqlite3_finalize(d->statements[i].stmt); /* repeats an error that was reported */
    (void)sqlite3_close(d->handle); /* fails only with statements left over, and there are none */
    if (d->lock_fd >= 0)
        close(TAKE_FD(d->lock_fd));
    free(d->path);
    free(d);
}

int db_lock(struct db *d, const char *dir, struct error *err)
{
    return data_dir_lock(dir, &d->lock_fd, err);
}

int db_check(struct db *d, struct error *err)
{
    static const char sql[] = "SELECT quick_check FROM pragma_quick_check(1)";
    _cleanup_(query_done) struct query q = {0};
    _cleanup_free_ char *verdict = NULL;
    int r;

    r = query_init(&q, d, sql, err);
    if (r < 0)
        return r;
    r = query_step(&q, err);
    if (r < 0)
        return r;
    verdict = query_column_text(&q, 0);
    if (!verdict || strcmp(verdict, "ok") != 0) {
        return error_set(err, -EUCLEAN, "%s is damaged (%s); restore it from a backup", d->path,
                         verdict ? verdict : "no verdict");
    }
    return 0;
}

/* A damaged file remains damaged when another page of it can be written. */
void db_wrote(struct db *d)
{
    if (d->state != -EUCLEAN)
        d->state = 0;
}

int db_state(const struct db *d)
{
    return d->state;
}

static int rewrite_version(struct db *d, void *arg, struct error *err)
{
    static const char sql[] = "SELECT user_version FROM pragma_user_version";
    _cleanup_(query_done) struct query q = {0};
    char pragma[64];
    int r;

    (void)arg;
    r = query_init(&q, d, sql, err);
    if (r == 0)
        r = query_step(&q, err);
    if (r < 0)
        return r;
    (void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d",
                   (int)query_column_i64(&q, 0));
    query_done(&q);
    return db_exec(d, pragma, err);
}

int db_probe(struct db *d, struct error *err)
{
    int r;

    if (d->state != 0) /* other writers must not wait long for a probe */
        (void)sqlite3_busy_timeout(d->handle, PROBE_TIMEOUT_MS); /* fails for closed handles only */
    r = db_tx(d, rewrite_version, NULL, err);
    (void)sqlite3_busy_timeout(d->handle, BUSY_TIMEOUT_MS);
    return r;
}

int db_tx(struct db *d, db_tx_fn fn, void *arg, struct error *err)
{
    int r;

    assert(!db_in_tx(d)); /* table modules never begin a transaction */
    r = db_exec(d, "BEGIN IMMEDIATE", err);
    if (r < 0)
        return r;

    r = fn(d, arg, err);
    if (r >= 0)
        r = db_exec(d, "COMMIT", err);
    if (r < 0 && db_in_tx(d))
        (void)db_exec(d, "ROLLBACK", NULL); /* the earlier error is reported */
    if (r >= 0)
        db_wrote(d);
    return r;
}
