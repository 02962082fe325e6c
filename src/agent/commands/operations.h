#pragma once

/*
 * The agent's half of the table of operations (proto/operation.h): what each operation needs, how
 * it is carried out, and how long it may take.
 */

#include "agent/commands/operation.h"

enum operation_needs {
    NEEDS_NOTHING, /* runs at any time, beside all others */
    NEEDS_RULES,   /* proto/operation_rule.h decides, by those that run on the same container */
};

struct agent_operation {
    const struct operation_type *type; /* NULL: not carried out as a command, see operations.c */
    unsigned deadline_s;
    enum operation_needs needs;
};

/* NULL for OPERATION_NONE and for operations that are not carried out as commands. */
const struct agent_operation *agent_operation(enum operation_id id);
