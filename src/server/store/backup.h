#pragma once

/*
 * Backs up and restores the data directory, for the offline commands and for scheduled backups. A
 * backup is one SQLite file without companion files, readable by its owner only, and verified
 * before it gets its name: it is complete, or does not exist. It has the database, the server's key
 * and certificate, and the history (backup_files.h). Each database in it has the content of one
 * moment, and the daemon may write during the copy.
 */

#include "base/error.h"
#include "server/store/backup_files.h"
#include <stdint.h>

/* Called between steps of the copy, at most once per percent; the last call has done == total. */
typedef void (*backup_progress_fn)(void *owner, uint64_t done_bytes, uint64_t total_bytes);

struct backup_options {
    const char *data_dir;
    const char *file;               /* the backup */
    backup_progress_fn on_progress; /* may be NULL */
    void *owner;
    bool without_tls, without_history; /* of backup_save() */
    const _Atomic bool *is_cancelled;  /* of backup_save(): ends with -ECANCELED; may be NULL */

    /* Results of a success. */
    struct backup_contents *ret_contents; /* of backup_save(); may be NULL */
    char **ret_kept; /* of backup_restore(): the replaced database, to be freed, or NULL if there
                      * was none; may be NULL */
};

/* Writes o->file, replacing an earlier backup of that name. -EUCLEAN: the database is damaged. */
int backup_save(const struct backup_options *o, struct error *err) _nodiscard_;

/*
 * Replaces the database with o->file, and key, certificate and history if the file has them. The
 * old ones may be missing or damaged, and are kept with the ending .before-restore, or
 * .before-restore.2 and so on. -EBUSY: a daemon is running, or another process has the database open;
 * -EUCLEAN or -EDOM: the file is damaged, or is no backup. On failure the database is unchanged.
 */
int backup_restore(const struct backup_options *o, struct error *err) _nodiscard_;
