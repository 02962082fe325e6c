#include "server/rights/capabilities.h"

const struct capability capabilities[] = {
    {"agents.manage",        ROLE_ADMIN,    REACH_INSTALLATION},
    {"agents.view",          ROLE_VIEWER,   REACH_OBJECTS     },
    {"apikeys.manage_other", ROLE_ADMIN,    REACH_USERS       },
    {"audit.view",           ROLE_ADMIN,    REACH_INSTALLATION},
    {"batch.create",         ROLE_OPERATOR, REACH_OBJECTS     },
    {"batch.view",           ROLE_OPERATOR, REACH_OBJECTS     },
    {"containers.logs",      ROLE_VIEWER,   REACH_OBJECTS     },
    {"containers.operate",   ROLE_OPERATOR, REACH_OBJECTS     },
    {"containers.shell",     ROLE_OPERATOR, REACH_OBJECTS     },
    {"containers.update",    ROLE_OPERATOR, REACH_OBJECTS     },
    {"containers.view",      ROLE_VIEWER,   REACH_OBJECTS     },
    {"containers.view_env",  ROLE_OPERATOR, REACH_OBJECTS     },
    {"events.view",          ROLE_VIEWER,   REACH_OBJECTS     },
    {"hosts.manage",         ROLE_ADMIN,    REACH_OBJECTS     },
    {"hosts.view",           ROLE_VIEWER,   REACH_OBJECTS     },
    {"settings.manage",      ROLE_ADMIN,    REACH_INSTALLATION},
    {"tags.manage",          ROLE_OPERATOR, REACH_INSTALLATION},
    {"tags.view",            ROLE_VIEWER,   REACH_OBJECTS     },
    {"users.manage",         ROLE_ADMIN,    REACH_USERS       },
};
const size_t n_capabilities = ARRAY_LEN(capabilities);

bool capability_is_given(const struct capability *c,
                         enum role role,
                         bool has_scope,
                         bool is_limited_key)
{
    if (role < c->role)
        return false;
    switch (c->reach) {
    case REACH_OBJECTS: return true;
    case REACH_INSTALLATION: return !has_scope;
    case REACH_USERS: return !has_scope && !is_limited_key;
    }
    return false;
}
