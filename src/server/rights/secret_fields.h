#pragma once

/*
 * Fields of containers that may hold secrets, with the role that may read them. Every place where
 * such a field leaves the server asks this module: lists of containers and the feed, inspect,
 * events, the audit log. Others get null.
 */

#include "proto/role.h"
#include <jansson.h>
#include <stdbool.h>

enum secret_field {
    SECRET_ENV,          /* environment variables */
    SECRET_COMMAND,      /* command line of a container, of its health check, and their output */
    SECRET_OPTIONS,      /* options of log and volume drivers */
    SECRET_EXEC_COMMAND, /* command line of an exec; it is in the audit log only */
    SECRET_FIELDS
};

/* `details` of a log show what SECRET_OPTIONS let a log driver store with each line. */
#define LOG_DETAILS_REFUSED "details can hold environment variables and need the role operator"

bool secret_field_is_visible(enum secret_field f, enum role role);
/* Replaces the secret members of the engine's description of a container that the role may not read
 * by null. */
void secret_fields_hide(json_t *container, enum role role);
