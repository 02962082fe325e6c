#pragma once

/*
 * Roles in request bodies: by name, or by the group of the role (rights/groups.h).
 */

#include "base/error.h"
#include "proto/role.h"
#include <jansson.h>

/*
 * Reads the optional members `role`, `group_ids` and `group_id`, which must agree: several groups
 * are their strongest role. *ret is ROLE_NONE when all are absent or null. -EDOM names the member
 * that is invalid.
 */
int api_body_role(const json_t *body, enum role *ret, struct error *err) _nodiscard_;
