#pragma once

/*
 * Accounts as the API shows them: groups and capabilities of DockMon's clients, from our roles.
 */

#include "server/auth/auth.h"
#include <jansson.h>

/* The members `id` and `name` of the group of the role, in a list. */
json_t *account_groups_json(enum role role);
/* The names of the caller's capabilities. */
json_t *account_capabilities_json(const struct identity *who);
/* Every capability with its texts, and the categories in the order of their first capability. */
json_t *account_capability_list_json(void);
/* By the id of each group: whether its members have each capability, without limits of a scope. */
json_t *account_permissions_json(void);
