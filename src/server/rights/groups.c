#include "server/rights/groups.h"

#include <stdlib.h>

const struct group groups[] = {
    {1, ROLE_ADMIN,    "Administrators", "Full access to everything"               },
    {2, ROLE_OPERATOR, "Operators",      "Can operate containers, without settings"},
    {3, ROLE_VIEWER,   "Read Only",      "View-only access"                        },
};
const size_t n_groups = ARRAY_LEN(groups);

const struct group *group_of_role(enum role role)
{
    for (size_t i = 0; i < n_groups; i++) {
        if (groups[i].role == role)
            return &groups[i];
    }
    abort();
}

const struct group *group_find(int64_t id)
{
    for (size_t i = 0; i < n_groups; i++) {
        if (groups[i].id == id)
            return &groups[i];
    }
    return NULL;
}
