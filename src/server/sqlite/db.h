#pragma once

/*
 * One open SQLite file: the database of store/ and the files of history/ are each a struct db.
 * All calls are synchronous and belong to one thread at a time: a job of one queue, the history's
 * worker, or an offline command.
 *
 * Other processes may have the file open at the same time: a write waits up to 5 s for their
 * lock, then fails with -ENOBUFS. Every function that reads or writes returns these codes beside
 * those it names:
 *
 *     -EEXIST   unique constraint             -EROFS    file or directory not writable
 *     -EINVAL   another constraint            -ENOSPC   disk full
 *     -ENOBUFS  locked by another process     -EUCLEAN  file damaged
 *     -EIO      anything else
 *
 * Transactions belong to the use case: db_tx() runs a function that calls several tables, and no
 * table module begins one itself.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

struct db;

/* Opens an existing file without changing it. `flags` are those of sqlite3_open_v2(). */
int db_open_file(struct db **ret, const char *path, int flags, struct error *err) _nodiscard_;
/*
 * Opens an existing file to read it, without any change to it or to its directory. A file with a log
 * (-wal, -journal) that is not empty is read with it; without one, nobody may write the file
 * meanwhile. -ENOENT.
 */
int db_open_unchanged(struct db **ret, const char *path, struct error *err) _nodiscard_;
/* Opens an empty database that disappears when it is closed. Errors call it `name`. */
int db_open_private(struct db **ret, const char *name, struct error *err) _nodiscard_;
/* Copies all of `from` into `to`, which nobody else has open. */
int db_copy(struct db *from, struct db *to, struct error *err) _nodiscard_;
/*
 * Opens a private file `path` in the directory `dir`, creates both if they are missing, and sets
 * the connection up (WAL, foreign keys). `schema` may be NULL; it must be harmless to an existing
 * file.
 */
int db_open(struct db **ret,
            const char *dir,
            const char *path,
            const char *schema,
            struct error *err) _nodiscard_;
void db_close(struct db *d);
DEFINE_CLEANUP(struct db *, db_close);

/* Holds the lock of the data directory until db_close(): a second daemon gets -EBUSY. */
int db_lock(struct db *d, const char *dir, struct error *err) _nodiscard_;

/*
 * Runs fn inside one IMMEDIATE transaction: commit when it returns 0, else rollback and its code.
 */
typedef int (*db_tx_fn)(struct db *d, void *arg, struct error *err);
int db_tx(struct db *d, db_tx_fn fn, void *arg, struct error *err) _nodiscard_;
bool db_in_tx(const struct db *d);

/* Runs constant SQL, possibly several statements: for schemas and migrations only. */
int db_exec(struct db *d, const char *sql, struct error *err) _nodiscard_;
/* Reads the whole file and verifies its structure. -EUCLEAN: it is damaged. */
int db_check(struct db *d, struct error *err) _nodiscard_;

/*
 * Returns the result of the last writes; may be called from any thread. 0 while they succeed,
 * else -ENOSPC, -EROFS, -ENOBUFS or -EIO until one succeeds again, or -EUCLEAN until the file is
 * replaced.
 */
int db_state(const struct db *d);
/* Writes without changing anything, to refresh db_state(). */
int db_probe(struct db *d, struct error *err) _nodiscard_;
