#pragma once

/* Operations on updates of containers; agent/update/updates.h carries them out. */

#include "agent/commands/operation.h"

extern const struct operation_type updates_preview;
extern const struct operation_type updates_container;
extern const struct operation_type updates_rollback;
extern const struct operation_type updates_cancel_one;
extern const struct operation_type updates_list;
