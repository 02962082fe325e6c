#include "server/sqlite/query.h"
#include "base/alloc.h"
#include "server/sqlite/db_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns the slot with this text, or the free slot for it. */
static struct db_statement *find_slot(struct db *d, const char *sql)
{
    size_t i = ((uintptr_t)sql >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 56;

    _Static_assert(DB_MAX_STATEMENTS == 256, "the shift above yields 8 bits");
    while (d->statements[i].sql && d->statements[i].sql != sql)
        i = (i + 1) % DB_MAX_STATEMENTS;
    return &d->statements[i];
}

int query_init(struct query *q, struct db *d, const char *sql, struct error *err)
{
    struct db_statement *slot = find_slot(d, sql);
    int r;

    if (!slot->sql) {
        assert(d->n_statements < DB_MAX_STATEMENTS - 1);
        r = sqlite3_prepare_v3(d->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &slot->stmt, NULL);
        if (r != SQLITE_OK)
            return db_error(d, sqlite3_extended_errcode(d->handle), err);
        slot->sql = sql;
        d->n_statements++;
    }
    assert(!slot->is_used);
    slot->is_used = true;
    *q = (struct query){.db = d, .slot = slot, .stmt = slot->stmt};
    return 0;
}

int query_init_once(struct query *q, struct db *d, const char *sql, struct error *err)
{
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v2(d->handle, sql, -1, &stmt, NULL) != SQLITE_OK)
        return db_error(d, sqlite3_extended_errcode(d->handle), err);
    *q = (struct query){.db = d, .stmt = stmt};
    return 0;
}

void query_done(struct query *q)
{
    if (!q->stmt)
        return;
    if (!q->slot) {
        (void)sqlite3_finalize(q->stmt);
        *q = (struct query){0};
        return;
    }
    (void)sqlite3_reset(q->stmt); /* repeats the error of the last step, which was reported */
    (void)sqlite3_clear_bindings(q->stmt);
    q->slot->is_used = false;
    *q = (struct query){0};
}

static int find_parameter(const struct query *q, const char *name)
{
    int i = sqlite3_bind_parameter_index(q->stmt, name);

    assert(i > 0); /* else the name is misspelt */
    return i;
}

static void note_bind(struct query *q, int code)
{
    if (code != SQLITE_OK && q->bind_code == SQLITE_OK)
        q->bind_code = code;
}

void query_text(struct query *q, const char *name, const char *value)
{
    note_bind(q, sqlite3_bind_text(q->stmt, find_parameter(q, name), value, -1, SQLITE_STATIC));
}

void query_blob(struct query *q, const char *name, const void *data, size_t size)
{
    note_bind(q, sqlite3_bind_blob64(q->stmt, find_parameter(q, name), data, size, SQLITE_STATIC));
}

void query_i64(struct query *q, const char *name, int64_t value)
{
    note_bind(q, sqlite3_bind_int64(q->stmt, find_parameter(q, name), value));
}

void query_i64_or_null(struct query *q, const char *name, int64_t value)
{
    if (value != 0) {
        query_i64(q, name, value);
    } else {
        note_bind(q, sqlite3_bind_null(q->stmt, find_parameter(q, name)));
    }
}

int query_step(struct query *q, struct error *err)
{
    int r = q->bind_code;

    if (r == SQLITE_OK)
        r = sqlite3_step(q->stmt);
    if (r == SQLITE_ROW)
        return 1;
    if (r == SQLITE_DONE)
        return 0;
    return db_error(q->db, r, err);
}

int query_run(struct query *q, int64_t *ret_changes, struct error *err)
{
    int r = query_step(q, err);

    if (r < 0)
        return r;
    assert(r == 0); /* a statement with rows belongs to query_step() */
    if (!db_in_tx(q->db) && sqlite3_changes64(q->db->handle) > 0)
        db_wrote(q->db);
    if (ret_changes)
        *ret_changes = sqlite3_changes64(q->db->handle);
    return 0;
}

/* Sets -ENOENT with the formatted text. */
static int _printf_(2, 0) fail_missing(struct error *err, const char *fmt, va_list ap)
{
    char text[sizeof(err->msg)];

    (void)vsnprintf(text, sizeof(text), fmt, ap);
    return error_set(err, -ENOENT, "%s", text);
}

int query_step_to_one(struct query *q, struct error *err, const char *missing, ...)
{
    int r = query_step(q, err);
    va_list ap;

    if (r == 0) {
        va_start(ap, missing);
        r = fail_missing(err, missing, ap);
        va_end(ap);
    }
    return r < 0 ? r : 0;
}

int query_run_for_one(struct query *q, struct error *err, const char *missing, ...)
{
    int64_t n;
    int r = query_run(q, &n, err);
    va_list ap;

    if (r == 0 && n == 0) {
        va_start(ap, missing);
        r = fail_missing(err, missing, ap);
        va_end(ap);
    }
    return r;
}

int query_number(struct db *d, const char *sql, int64_t *ret, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, d, sql, err);
    if (r == 0)
        r = query_step_to_one(&q, err, "%s: `%s` yields nothing", d->path, sql);
    if (r == 0)
        *ret = query_column_i64(&q, 0);
    return r;
}

int64_t query_last_id(const struct query *q)
{
    return sqlite3_last_insert_rowid(q->db->handle);
}

char *query_column_text(const struct query *q, int column)
{
    return xstrdup((const char *)sqlite3_column_text(q->stmt, column));
}

const void *query_column_blob(const struct query *q, int column, size_t *ret_size)
{
    const void *data = sqlite3_column_blob(q->stmt, column);

    *ret_size = (size_t)sqlite3_column_bytes(q->stmt, column);
    return data;
}

int64_t query_column_i64(const struct query *q, int column)
{
    return sqlite3_column_int64(q->stmt, column);
}

enum role query_column_role(const struct query *q, int column)
{
    enum role role;

    return role_parse((const char *)sqlite3_column_text(q->stmt, column), &role) < 0 ? ROLE_NONE
                                                                                     : role;
}

static const void *get_const_member(const void *row, const struct column *c)
{
    return (const char *)row + c->offset;
}

static void *get_member(void *row, const struct column *c)
{
    return (char *)row + c->offset;
}

void query_bind_row(struct query *q, const struct column *columns, size_t n, const void *row)
{
    for (size_t i = 0; i < n; i++) {
        const void *m = get_const_member(row, &columns[i]);

        switch (columns[i].type) {
        case COLUMN_TEXT: query_text(q, columns[i].name, *(char *const *)m); break;
        case COLUMN_I64: query_i64(q, columns[i].name, *(const int64_t *)m); break;
        case COLUMN_BOOL: query_i64(q, columns[i].name, *(const bool *)m); break;
        case COLUMN_ROLE: query_text(q, columns[i].name, role_name(*(const enum role *)m)); break;
        case COLUMN_CUSTOM: break;
        }
    }
}

void query_read_row(const struct query *q, const struct column *columns, size_t n, void *row)
{
    for (size_t i = 0; i < n; i++) {
        void *m = get_member(row, &columns[i]);
        int column = (int)i;

        switch (columns[i].type) {
        case COLUMN_TEXT: *(char **)m = query_column_text(q, column); break;
        case COLUMN_I64: *(int64_t *)m = query_column_i64(q, column); break;
        case COLUMN_BOOL: *(bool *)m = query_column_i64(q, column) != 0; break;
        case COLUMN_ROLE: *(enum role *)m = query_column_role(q, column); break;
        case COLUMN_CUSTOM: break;
        }
    }
}

void row_done(const struct column *columns, size_t n, void *row)
{
    for (size_t i = 0; i < n; i++) {
        void *m = get_member(row, &columns[i]);

        if (columns[i].type == COLUMN_TEXT)
            free(TAKE_PTR(*(char **)m));
    }
}

int query_next_row(
    struct query *q, const struct column *columns, size_t n, void *row, struct error *err)
{
    int r = query_step(q, err);

    row_done(columns, n, row);
    if (r > 0)
        query_read_row(q, columns, n, row);
    return r;
}
