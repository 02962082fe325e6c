#pragma once

/*
 * The audit trail of the API: one row for every answered call of a route that has an action.
 */

#include "server/api/call.h"
#include "server/store/audit.h"

/* Called once per answer, before the call is freed. `body` is the answer (its `detail` is kept on failure). */
void audit_call(const struct api_call *call, int status, const json_t *body);

/* A row of what is no call. Takes the content of `entry`; a full queue drops it with a log line. */
void audit_add(struct store *store, struct job_queue *store_jobs, const struct audit_entry *entry);
