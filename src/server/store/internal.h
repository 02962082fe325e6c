#pragma once

/*
 * The inside of struct store, for store.c, db.c and migrate.c.
 */

#include "server/store/store.h"
#include <sqlite3.h>
#include <stdbool.h>

#define STORE_MAX_STATEMENTS 256 /* a power of two, well above the number of statements there are */

struct store_statement {
    const char *sql;
    sqlite3_stmt *stmt;
    bool is_used;
};

struct store {
    sqlite3 *db;
    char *path; /* of the database file */
    char *data_dir;
    int claim_fd; /* -1, or the lock of store_claim() */
    size_t n_statements;
    struct store_statement statements[STORE_MAX_STATEMENTS]; /* open addressing by sql */
};
