#pragma once

/*
 * The inside of struct store, for store.c, db.c, migrate.c and backup.c.
 */

#include "server/store/store.h"
#include <sqlite3.h>
#include <stdbool.h>

#define STORE_FILE           "dockmon.db" /* in the data directory */
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
    uint64_t max_agents;
    _Atomic int state; /* of store_state() */
    size_t n_statements;
    struct store_statement statements[STORE_MAX_STATEMENTS]; /* open addressing by sql */
};

/* A write has succeeded: store_state() may be good again. */
void store_wrote(struct store *s);
/* Any SQLite file, as it is: nothing is made, set up or migrated. `flags` are SQLite's. */
int store_open_file(struct store **ret, const char *path, int flags, struct error *err) _nodiscard_;
/*
 * A private file of its own beside the main one, set up like it; `schema` makes what is not there yet. For
 * samples, which are neither migrated nor backed up: server/history/.
 */
int store_open_side_file(struct store **ret,
                         const char *dir,
                         const char *path,
                         const char *schema,
                         struct error *err) _nodiscard_;
/* Makes the data directory when missing, and in it the private file `path` unless that is NULL. */
int store_prepare(const char *data_dir, const char *path, struct error *err) _nodiscard_;
/* store_claim() without a database; the caller closes the descriptor. */
int store_lock_directory(const char *data_dir, int *ret_fd, struct error *err) _nodiscard_;
