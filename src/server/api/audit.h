#pragma once

/*
 * The audit trail of the API: one row for every answered call of a route that has an action. Of those that nobody has
 * authenticated for, 200 and then one every 10 s: strangers do not fill the database.
 */

#include "server/api/call.h"
#include "server/common/audit_log.h"

/* Called once per answer, before the call is freed. `body` is the answer (its `detail` is kept on failure). */
void audit_call(const struct api_call *call, int status, const json_t *body);
