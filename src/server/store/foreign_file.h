#pragma once

/*
 * Reads tables of a SQLite file that another program has written (import/). The file is opened
 * read-only and treated as hostile: only real tables are read, never views; values of another type
 * than asked for, longer ones and texts that are not UTF-8 count as absent; columns that the file
 * does not have, too.
 */

#include "server/store/store.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct foreign_row;

#define FOREIGN_FILE_MAX (4 * INT64_C(1024) * 1024 * 1024) /* bytes */

/*
 * Reads the whole file once, to verify its structure. The caller closes *ret with db_close(). -EDOM:
 * no database of SQLite; -EFBIG; -EUCLEAN: damaged.
 */
int foreign_file_open(struct db **ret, const char *path, struct error *err) _nodiscard_;

/* Returns 1 when the file has a table of this name, else 0. */
int foreign_file_has(struct db *d, const char *table, struct error *err) _nodiscard_;
/* SQL for a table that has certain columns. */
struct foreign_alias {
    const char *table, *sql;
    const char *columns[4]; /* ends with NULL */
};
/* Runs the SQL and returns 1 when the file has the table with the columns, else returns 0. */
int foreign_file_run(struct db *d, const struct foreign_alias *a, struct error *err) _nodiscard_;
/*
 * Runs the SQL, which defines a temporary view, of the first entry that fits. The table of the last
 * entry is NULL: it defines the view without any. *ret_table is the table that was found, or NULL.
 */
int foreign_file_alias(struct db *d,
                       const struct foreign_alias *a,
                       const char **ret_table,
                       struct error *err) _nodiscard_;
typedef void (*foreign_table_fn)(void *arg, const char *name);
int foreign_file_tables(struct db *d, foreign_table_fn fn, void *arg, struct error *err)
    _nodiscard_;

/* A negative result ends the reading. */
typedef int (*foreign_row_fn)(void *arg, const struct foreign_row *row, struct error *err);
/*
 * `sql` has static storage; `table` is for errors. -E2BIG: there are more rows than `max`, or a row
 * is too large; -ENODATA: a column that it names is missing.
 */
struct foreign_query {
    const char *table, *sql;
    int64_t max;
};
int foreign_file_each(struct db *d,
                      const struct foreign_query *query,
                      foreign_row_fn fn,
                      void *arg,
                      struct error *err) _nodiscard_;

/* Whether the row has the column with anything but NULL and the empty text: of any type and length. */
bool foreign_row_is_set(const struct foreign_row *row, const char *column);

/* The text of a column, of at most `max` bytes; to be freed; NULL when absent. */
char *foreign_row_text(const struct foreign_row *row, const char *column, size_t max);
/* The same, but a longer text is cut. */
char *foreign_row_cut(const struct foreign_row *row, const char *column, size_t max);
/* Calls fn for each text of the row that has at most `max` bytes. */
typedef void (*foreign_text_fn)(void *arg, const char *text);
void foreign_row_each_text(const struct foreign_row *row,
                           size_t max,
                           foreign_text_fn fn,
                           void *arg);
int64_t foreign_row_i64(const struct foreign_row *row, const char *column, int64_t absent);
/* A naive time in UTC, in ms; 0 when absent. */
int64_t foreign_row_time(const struct foreign_row *row, const char *column);
