#pragma once

/*
 * Backup and restore of the database, for the offline commands. A backup is one SQLite file that needs
 * no companion, complete or not there at all, readable by its owner only, and verified before it gets
 * its name. It shows one moment; the daemon keeps writing meanwhile.
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

/* Writes o->file, replacing an earlier backup of that name. -EUCLEAN: the database itself is damaged. */
int backup_save(const struct backup_options *o, struct error *err) _nodiscard_;

/*
 * Puts o->file in the place of the database, which may be missing or damaged and is kept as
 * dockmon.db.before-restore. -EBUSY while a daemon runs or another process has the database open;
 * -EUCLEAN or -EDOM when the file is no good. On failure the database is as before.
 */
int backup_restore(const struct backup_options *o, struct error *err) _nodiscard_;
