#pragma once

/*
 * Adds rows to the audit log through store jobs, so that callers on the loop never wait.
 */

#include "server/common/job.h"
#include "server/store/audit.h"

/* Takes ownership of the contents of `entry`. When the queue is full, logs an error and drops the
 * row. */
void audit_add(struct db *store, struct job_queue *store_jobs, const struct audit_entry *entry);
