#pragma once

/*
 * Adds the server's own events to the event log through store jobs, and then notifies the listeners
 * of the fleet, as of the events of agents.
 */

#include "server/common/job.h"
#include "server/fleet/fleet.h"
#include "server/sqlite/db.h"
#include "server/store/events.h"

/*
 * Takes ownership of the contents of `event`. When the queue is full, logs a warning and drops it.
 * The fleet outlives the jobs of the queue.
 */
void record_event(struct fleet *fleet,
                  struct db *store,
                  struct job_queue *store_jobs,
                  const struct event *event);
