#pragma once

/*
 * The operations on the host as a whole: ping, get_system_info, list_containers.
 */

#include "agent/commands/operation.h"

extern const struct operation_type system_ping;
extern const struct operation_type system_info;
extern const struct operation_type system_containers;
