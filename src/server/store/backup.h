#pragma once

/*
 * Backs up and restores the database, for the offline commands. A backup is one SQLite file
 * without companion files, readable by its owner only, and verified before it gets its name: it
 * is complete, or does not exist. It has the content of one moment, and the daemon may write
 * during the copy.
 */

#include "base/error.h"
#include <stdint.h>

/* Called between steps of the copy, at most once per percent; the last call has done == total. */
typedef void (*backup_progress_fn)(void *owner, uint64_t done_bytes, uint64_t total_bytes);

struct backup_options {
    const char *data_dir;
    const char *file;               /* the backup */
    backup_progress_fn on_progress; /* may be NULL */
    void *owner;
};

/* Writes o->file, replacing an earlier backup of that name. -EUCLEAN: the database is damaged. */
int backup_save(const struct backup_options *o, struct error *err) _nodiscard_;

/*
 * Replaces the database with o->file. The old database may be missing or damaged, and is kept as
 * dockmon.db.before-restore. -EBUSY: a daemon is running, or another process has the database open;
 * -EUCLEAN or -EDOM: the file is damaged, or is no backup. On failure the database is unchanged.
 */
int backup_restore(const struct backup_options *o, struct error *err) _nodiscard_;
