#include "server/store/foreign_file.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "server/sqlite/db_internal.h"
#include "server/sqlite/query.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_VALUE  (16 << 20) /* bytes of a value or a row */
#define MAX_NAME   100
#define MAX_TIME   40
#define TIME_START "2000-01-01T00:00:00"

struct foreign_row {
    sqlite3_stmt *stmt;
};

/* Returns -EDOM, -EFBIG or 0 by what can be seen without SQLite. */
static int check_kind(const char *path, struct error *err)
{
    static const char magic[] = "SQLite format 3"; /* with its NUL */
    char head[sizeof(magic)] = "";
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set(err, -errno, "%s: %s", path, error_text(-errno));
    if (!S_ISREG(st.st_mode))
        return error_set(err, -EDOM, "%s is not a file", path);
    if (st.st_size > FOREIGN_FILE_MAX) {
        return error_set(err, -EFBIG,
                         "%s is larger than %d GiB; delete old events and statistics in DockMon, "
                         "and copy it again",
                         path, (int)(FOREIGN_FILE_MAX >> 30));
    }
    if (read(fd, head, sizeof(head)) != (ssize_t)sizeof(head) ||
        memcmp(head, magic, sizeof(magic)) != 0)
        return error_set(err, -EDOM, "%s is not a database of SQLite", path);
    return 0;
}

static int set_damage(struct error *err, const char *path)
{
    return error_set(err, -EUCLEAN,
                     "%s is damaged or not complete; copy it again while DockMon is stopped, with "
                     "the file %s-wal if there is one",
                     path, path);
}

int foreign_file_open(struct db **ret, const char *path, struct error *err)
{
    _cleanup_(db_closep) struct db *d = NULL;
    int r = check_kind(path, err);

    if (r == 0)
        r = db_open_unchanged(&d, path, err);
    if (r < 0)
        return r;
    assert(d);
    (void)sqlite3_limit(d->handle, SQLITE_LIMIT_LENGTH, MAX_VALUE);
    (void)sqlite3_db_config(d->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(d->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    r = db_check(d, err);
    if (r == -EUCLEAN || r == -EIO || r == -EINVAL)
        return set_damage(err, path);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(d);
    return 0;
}

int foreign_file_has(struct db *d, const char *table, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(
        &q, d, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = :name AND rootpage > 0",
        err);

    if (r < 0)
        return r;
    query_text(&q, ":name", table);
    return query_step(&q, err);
}

/* Says what an error of SQLite means for the file. */
static int explain(const struct db *d, const char *table, int code, struct error *err)
{
    if (code == -EINVAL) {
        return error_set(err, -E2BIG, "%s: a row of table %s is larger than %d MiB", d->path, table,
                         MAX_VALUE >> 20);
    }
    return code == -EUCLEAN ? set_damage(err, d->path) : code;
}

static int has_column(struct db *d, const char *table, const char *column, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, d, "SELECT 1 FROM pragma_table_info(:table, 'main') WHERE name = :name",
                       err);

    if (r < 0)
        return r;
    query_text(&q, ":table", table);
    query_text(&q, ":name", column);
    return query_step(&q, err);
}

int foreign_file_run(struct db *d, const struct foreign_alias *a, struct error *err)
{
    int r = a->table ? foreign_file_has(d, a->table, err) : 1;

    for (size_t i = 0; r > 0 && a->columns[i]; i++)
        r = has_column(d, a->table, a->columns[i], err);
    if (r <= 0)
        return r;
    r = db_exec(d, a->sql, err);
    return r < 0 ? explain(d, a->table, r, err) : 1;
}

int foreign_file_alias(struct db *d,
                       const struct foreign_alias *a,
                       const char **ret_table,
                       struct error *err)
{
    for (;; a++) {
        int r = foreign_file_run(d, a, err);

        *ret_table = a->table;
        if (r != 0)
            return r < 0 ? r : 0;
    }
}

int foreign_file_tables(struct db *d, foreign_table_fn fn, void *arg, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(
        &q, d, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name LIMIT 200", err);

    if (r < 0)
        return r;
    while ((r = query_step(&q, err)) > 0) {
        const struct foreign_row row = {q.stmt};
        _cleanup_free_ char *name = foreign_row_text(&row, "name", MAX_NAME);

        if (name && !str_starts_with(name, "sqlite_"))
            fn(arg, name);
    }
    return r;
}

int foreign_file_each(struct db *d,
                      const struct foreign_query *query,
                      foreign_row_fn fn,
                      void *arg,
                      struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int64_t left = query->max;
    int r = query_init(&q, d, query->sql, err);

    if (r == -EIO) { /* a column that the statement names is missing */
        return error_set(err, -ENODATA, "%s: table %s has other columns than expected", d->path,
                         query->table);
    }
    if (r < 0)
        return r;
    while ((r = query_step(&q, err)) > 0) {
        const struct foreign_row row = {q.stmt};

        if (left-- == 0) {
            return error_set(err, -E2BIG, "%s: table %s has more than %jd rows", d->path,
                             query->table, (intmax_t)query->max);
        }
        r = fn(arg, &row, err);
        if (r < 0)
            return r;
    }
    return r < 0 ? explain(d, query->table, r, err) : 0;
}

static int find_column(const struct foreign_row *row, const char *column)
{
    int n = sqlite3_column_count(row->stmt);

    for (int i = 0; i < n; i++) {
        if (str_eq(sqlite3_column_name(row->stmt, i), column))
            return i;
    }
    return -1;
}

bool foreign_row_is_set(const struct foreign_row *row, const char *column)
{
    int i = find_column(row, column);
    int type = i < 0 ? SQLITE_NULL : sqlite3_column_type(row->stmt, i);

    return type == SQLITE_TEXT ? sqlite3_column_bytes(row->stmt, i) > 0 : type != SQLITE_NULL;
}

/* Borrowed from the row; NULL unless it is a text without a NUL that is valid UTF-8. */
static const char *borrow_text(const struct foreign_row *row, const char *column, size_t *ret_size)
{
    int i = find_column(row, column);
    const char *text;

    if (i < 0 || sqlite3_column_type(row->stmt, i) != SQLITE_TEXT)
        return NULL;
    text = (const char *)sqlite3_column_text(row->stmt, i);
    *ret_size = (size_t)sqlite3_column_bytes(row->stmt, i);
    return text && *ret_size > 0 && strlen(text) == *ret_size && str_is_utf8(text, *ret_size)
               ? text
               : NULL;
}

char *foreign_row_text(const struct foreign_row *row, const char *column, size_t max)
{
    size_t size = 0;
    const char *text = borrow_text(row, column, &size);

    return text && size <= max ? xstrdup(text) : NULL;
}

char *foreign_row_cut(const struct foreign_row *row, const char *column, size_t max)
{
    size_t size = 0;
    const char *text = borrow_text(row, column, &size);

    return text ? xasprintf("%.*s", STR_CUT(text, max)) : NULL;
}

void foreign_row_each_text(const struct foreign_row *row, size_t max, foreign_text_fn fn, void *arg)
{
    int n = sqlite3_column_count(row->stmt);

    for (int i = 0; i < n; i++) {
        size_t size = 0;
        const char *text = borrow_text(row, sqlite3_column_name(row->stmt, i), &size);

        if (text && size <= max)
            fn(arg, text);
    }
}

int64_t foreign_row_i64(const struct foreign_row *row, const char *column, int64_t absent)
{
    int i = find_column(row, column);

    if (i < 0 || sqlite3_column_type(row->stmt, i) != SQLITE_INTEGER)
        return absent;
    return sqlite3_column_int64(row->stmt, i);
}

int64_t foreign_row_time(const struct foreign_row *row, const char *column)
{
    _cleanup_free_ char *text = foreign_row_text(row, column, MAX_TIME), *utc = NULL;
    int64_t ns = 0;

    if (!text || strlen(text) < strlen(TIME_START))
        return 0;
    text[strlen("2000-01-01")] = 'T';
    utc = strchr(text + strlen("2000-01-01"), 'Z') || strchr(text, '+') ? xstrdup(text)
                                                                        : xasprintf("%sZ", text);
    return time_parse_ns(utc, &ns) == 0 && ns > 0 ? ns / NS_PER_MS : 0;
}
