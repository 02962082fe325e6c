#pragma once

/*
 * Adds the server's own events to the event log through store jobs.
 */

#include "server/common/job.h"
#include "server/sqlite/db.h"
#include "server/store/events.h"

/* Takes ownership of the contents of `event`. When the queue is full, logs a warning and drops
 * it. */
void record_event(struct db *store, struct job_queue *store_jobs, const struct event *event);
