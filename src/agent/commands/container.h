#pragma once

/*
 * The operations on one container: changing it, inspecting it, reading its logs.
 */

#include "agent/commands/operation.h"

extern const struct operation_type container_read; /* container_read.c */
extern const struct operation_type container_change;
extern const struct operation_type container_inspect;
extern const struct operation_type container_logs;
