#pragma once

/*
 * The audit trail of the API: one row for each answered call of a route with an action.
 * Calls without authentication, and those beyond a rate limit, are limited to a burst of 200 and
 * then one row every 10 s, so that they cannot fill the database.
 */

#include "server/api/call.h"
#include "server/common/audit_log.h"

/* Records an answered call; call it once, before the call is freed. `body` is the response; its
 * `detail` is stored on failure. */
void audit_call(const struct api_call *call, int status, const json_t *body);
