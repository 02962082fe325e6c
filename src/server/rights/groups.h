#pragma once

/*
 * Groups: the three roles as DockMon's clients know them. Each role is one group, whose id is that
 * of the group with these rights in a new installation of DockMon. Groups cannot be changed.
 */

#include "proto/role.h"
#include <stddef.h>
#include <stdint.h>

struct group {
    int64_t id;
    enum role role;
    const char *name, *description;
};

extern const struct group groups[];
extern const size_t n_groups;

/* Returns the group of the role, which is not ROLE_NONE. */
const struct group *group_of_role(enum role role);
/* Returns NULL when no group has this id. */
const struct group *group_find(int64_t id);
