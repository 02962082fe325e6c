#pragma once

/*
 * The command self_update: checks the request and begins the update, which the agent reports by
 * events (update/self_update.h).
 */

#include "agent/commands/operation.h"

extern const struct operation_type self_update_program;
