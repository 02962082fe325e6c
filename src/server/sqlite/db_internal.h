#pragma once

/*
 * The members of struct db, for the files of sqlite/, for store/backup.c and for tests that
 * damage files.
 */

#include "server/sqlite/db.h"
#include <sqlite3.h>
#include <stdbool.h>

/* A power of two, well above the number of statements in the program. */
#define DB_MAX_STATEMENTS 256

struct db_statement {
    const char *sql;
    sqlite3_stmt *stmt;
    bool is_used;
};

struct db {
    sqlite3 *handle;
    char *path;
    int lock_fd;       /* -1, or the lock of the data directory, held until db_close() */
    _Atomic int state; /* see db_state() */
    size_t n_statements;
    struct db_statement statements[DB_MAX_STATEMENTS]; /* open addressing by the address of sql */
};

/* Records a successful write: db_state() becomes 0 unless the file is damaged. */
void db_wrote(struct db *d);
/*
 * Describes SQLite's error in `err`, remembers it for db_state(), and returns its negative errno.
 */
int db_error(struct db *d, int sqlite_code, struct error *err);
