#pragma once

/*
 * Rows for the audit log, stored by a job.
 */

#include "server/common/job.h"
#include "server/store/audit.h"

/* Takes the content of `entry`; a full queue drops it with a log line. */
void audit_add(struct db *store, struct job_queue *store_jobs, const struct audit_entry *entry);
