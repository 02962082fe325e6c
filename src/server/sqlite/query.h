#pragma once

/*
 * Queries, for the modules that own tables. A query is one use of a prepared statement: it
 * borrows the statement from the cache of the database (prepared once per SQL text, found by the
 * address of that text, which therefore has static storage), and query_done() returns it reset
 * and unbound:
 *
 *     _cleanup_(query_done) struct query q = {0};
 *
 *     r = query_init(&q, db, sql[STMT_GET], err);
 *     if (r < 0)
 *         return r;
 *     query_text(&q, ":id", id);
 *     r = query_step(&q, err);
 *
 * A statement serves one query at a time: a row callback must not call the function that calls it.
 */

#include "proto/role.h"
#include "server/sqlite/db.h"
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db_statement;

struct query {
    struct db *db;
    struct db_statement *slot; /* NULL: the statement is the query's own */
    sqlite3_stmt *stmt;
    int bind_code; /* of the first bind that failed; query_step() reports it */
};

int query_init(struct query *q, struct db *d, const char *sql, struct error *err) _nodiscard_;
/*
 * For SQL that is built for one use: query_done() frees the statement. The text is needed only
 * for the call.
 */
int query_init_once(struct query *q, struct db *d, const char *sql, struct error *err) _nodiscard_;
void query_done(struct query *q); /* accepts a zeroed query */

/*
 * Bind a parameter, whose name must be in the SQL. Values are not copied: they must outlive the
 * query.
 */
void query_text(struct query *q, const char *name, const char *value); /* NULL binds an SQL NULL */
void query_i64(struct query *q, const char *name, int64_t value);
void query_i64_or_null(struct query *q, const char *name, int64_t value); /* 0 binds an SQL NULL */

void query_blob(struct query *q, const char *name, const void *data, size_t size);

/*
 * Returns 1 with a row, 0 without a further row. -EEXIST: a unique constraint; -EINVAL: another
 * one.
 */
int query_step(struct query *q, struct error *err) _nodiscard_;
/* For statements that must have a row. -ENOENT with the text `missing`: there is none. */
int query_step_to_one(struct query *q, struct error *err, const char *missing, ...)
    _nodiscard_ _printf_(3, 4);
/* For statements without rows. *ret_changes (may be NULL) is the number of changed rows. */
int query_run(struct query *q, int64_t *ret_changes, struct error *err) _nodiscard_;
/* For statements that must change a row. -ENOENT with the text `missing`: none was changed. */
int query_run_for_one(struct query *q, struct error *err, const char *missing, ...)
    _nodiscard_ _printf_(3, 4);
/* Runs a statement without parameters that returns one number. */
int query_number(struct db *d, const char *sql, int64_t *ret, struct error *err) _nodiscard_;

int64_t query_last_id(const struct query *q); /* rowid of the row just inserted */

/* Returns a copy, which the caller frees; NULL for an SQL NULL. */
char *query_column_text(const struct query *q, int column);
/* Borrowed until the next step. */
const void *query_column_blob(const struct query *q, int column, size_t *ret_size);
int64_t query_column_i64(const struct query *q, int column);
enum role query_column_role(const struct query *q, int column);

/*
 * The columns of a row struct: one table serves to bind, to read and to free all of them. A
 * SELECT must list its columns in the order of the table.
 */
enum column_type {
    COLUMN_TEXT,   /* char *, owned by the row; NULL is SQL NULL */
    COLUMN_I64,    /* int64_t */
    COLUMN_BOOL,   /* bool as 0 and 1 */
    COLUMN_ROLE,   /* enum role as its name; ROLE_NONE for another text */
    COLUMN_CUSTOM, /* bound and read by the module */
};

struct column {
    const char *name; /* with the colon */
    enum column_type type;
    size_t offset;
};

void query_bind_row(struct query *q, const struct column *columns, size_t n, const void *row);
void query_read_row(const struct query *q, const struct column *columns, size_t n, void *row);
/*
 * Steps to the next row and reads it into `row`, which is zeroed at first, after freeing the row
 * before. 1; 0 when there is no more row, and `row` is freed; or a negative errno.
 */
int query_next_row(struct query *q,
                   const struct column *columns,
                   size_t n,
                   void *row,
                   struct error *err) _nodiscard_;
/* Frees the texts of a row and sets them to NULL. */
void row_done(const struct column *columns, size_t n, void *row);
