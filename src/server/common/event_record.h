#pragma once

/*
 * Adds the server's own entries to the event log.
 */

#include "server/common/job.h"
#include "server/sqlite/db.h"
#include "server/store/events.h"

/* Takes the content of `event`. A full queue drops it with a log line. */
void record_event(struct db *store, struct job_queue *store_jobs, const struct event *event);
