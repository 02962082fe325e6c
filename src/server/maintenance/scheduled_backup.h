#pragma once

/*
 * Scheduled backups: at the times of the plan a job writes DIR/dockmon-YYYYMMDD-HHMMSS.backup (UTC)
 * and removes the oldest ones beyond a number. A backup that was missed while the server did not run
 * is made up for soon after the start. A failure is logged and tried again, first after 10 s, then
 * less often. Without room for the backup and a reserve nothing is written, so that backups do not
 * fill the disk on which the server works. Lives on the loop; the copy runs on a thread of its own.
 */

#include "net/loop.h"
#include "server/maintenance/backup_plan.h"

#define SCHEDULED_BACKUP_RESERVE (UINT64_C(64) << 20) /* bytes that stay free */

struct scheduled_backup;

struct scheduled_backup_options {
    struct loop *loop;
    struct backup_plan plan;
    const char *data_dir;
    const char *dir; /* created if it is missing */
    size_t keep;     /* files */
    bool without_history;
};

/* Copies the strings. NULL if no thread could be started. */
struct scheduled_backup *scheduled_backup_new(const struct scheduled_backup_options *o);
/* Starts no further backup, and cancels one in progress. NULL is fine. */
void scheduled_backup_stop(struct scheduled_backup *s);
/* After scheduled_backup_stop(); waits for the job. NULL is fine. */
void scheduled_backup_free(struct scheduled_backup *s);
