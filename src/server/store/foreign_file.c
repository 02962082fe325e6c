#include "server/store/foreign_file.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "server/sqlite/db_internal.h"
#include "server/sqlite/query.h"

#include <errno.h>
#include <string.h>

#define MAX_VALUE  (1 << 20) /* bytes of a value or a row */
#define MAX_NAME   100
#define MAX_TIME   40
#define TIME_START "2000-01-01T00:00:00"

struct foreign_row {
    sqlite3_stmt *stmt;
};

int foreign_file_open(struct db **ret, const char *path, struct error *err)
{
    struct db *d;
    int r = db_open_file(&d, path, SQLITE_OPEN_READONLY, err);

    if (r < 0)
        return r;
    (void)sqlite3_limit(d->handle, SQLITE_LIMIT_LENGTH, MAX_VALUE);
    (void)sqlite3_db_config(d->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(d->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    *ret = d;
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

int foreign_file_each(
    struct db *d, const char *sql, int64_t max, foreign_row_fn fn, void *arg, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, d, sql, err);

    if (r == -EIO) /* a column that the statement names is missing */
        return error_set(err, -EINVAL, "%s: a table has other columns than expected", d->path);
    if (r < 0)
        return r;
    while ((r = query_step(&q, err)) > 0) {
        const struct foreign_row row = {q.stmt};

        if (max-- == 0)
            return error_set(err, -E2BIG, "%s: too many rows for `%s`", d->path, sql);
        r = fn(arg, &row, err);
        if (r < 0)
            return r;
    }
    return r;
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

char *foreign_row_text(const struct foreign_row *row, const char *column, size_t max)
{
    int i = find_column(row, column);
    const char *text;
    size_t size;

    if (i < 0 || sqlite3_column_type(row->stmt, i) != SQLITE_TEXT)
        return NULL;
    text = (const char *)sqlite3_column_text(row->stmt, i);
    size = (size_t)sqlite3_column_bytes(row->stmt, i);
    if (!text || size == 0 || size > max || strlen(text) != size || !str_is_utf8(text, size))
        return NULL;
    return xstrdup(text);
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
