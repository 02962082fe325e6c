#pragma once

/*
 * Files of the data directory that a backup carries beside the database: the server's key and
 * certificate (tls/), and the history (history/). They are rows of a table that exists in backups
 * only, so that a backup stays one file with one verdict about its integrity. Only this module
 * names the table.
 */

#include "base/error.h"
#include "server/sqlite/db.h"
#include <stddef.h>

struct backup_contents {
    bool has_tls;
    size_t n_history; /* files */
    size_t n_skipped; /* files of the history that are damaged */
};

struct backup_files_options {
    const char *data_dir;
    const char *scratch; /* a path beside the backup, for copies of the history's databases */
    bool without_tls, without_history;
    const _Atomic bool *is_cancelled; /* NULL: never */
};

/* Adds the files to the copy of the database in one transaction. -ECANCELED. */
int backup_files_save(struct db *copy,
                      const struct backup_files_options *o,
                      struct backup_contents *ret,
                      struct error *err) _nodiscard_;

/*
 * Writes the files of a backup below the new directory `staging`, as tls/... and history/..., for
 * the user who owns `data_dir`. Creates nothing if the backup has none.
 */
int backup_files_extract(struct db *backup,
                         const char *data_dir,
                         const char *staging,
                         struct error *err) _nodiscard_;

/* Removes the table from the copy that becomes the database. */
int backup_files_drop(struct db *copy, struct error *err) _nodiscard_;
