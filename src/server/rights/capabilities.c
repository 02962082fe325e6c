#include "server/rights/capabilities.h"

/* clang-format off */
const struct capability capabilities[] = {
    {"agents.manage",        ROLE_ADMIN,    REACH_INSTALLATION, "Agents",           "Manage Agents",              "Create registration tokens; rotate, revoke and migrate agents"},
    {"agents.view",          ROLE_VIEWER,   REACH_OBJECTS,      "Agents",           "View Agents",                "See agents and their state"},
    {"apikeys.manage_other", ROLE_ADMIN,    REACH_USERS,        "API Keys",         "Manage Others' API Keys",    "See, change and revoke the API keys of other users"},
    {"audit.view",           ROLE_ADMIN,    REACH_INSTALLATION, "Audit",            "View Audit Log",             "Read and export the audit log"},
    {"batch.create",         ROLE_OPERATOR, REACH_OBJECTS,      "Batch Operations", "Create Batch Jobs",          "Start operations on many containers"},
    {"batch.view",           ROLE_OPERATOR, REACH_OBJECTS,      "Batch Operations", "View Batch Jobs",            "See jobs and their items"},
    {"containers.logs",      ROLE_VIEWER,   REACH_OBJECTS,      "Containers",       "View Container Logs",        "Read and follow the logs of containers"},
    {"containers.operate",   ROLE_OPERATOR, REACH_OBJECTS,      "Containers",       "Operate Containers",         "Start, stop, restart, rename and remove containers"},
    {"containers.shell",     ROLE_OPERATOR, REACH_OBJECTS,      "Containers",       "Container Shell",            "Open a shell or run a program in a container"},
    {"containers.update",    ROLE_OPERATOR, REACH_OBJECTS,      "Containers",       "Update Containers",          "Update the images of containers"},
    {"containers.view",      ROLE_VIEWER,   REACH_OBJECTS,      "Containers",       "View Containers",            "See containers and their statistics"},
    {"containers.view_env",  ROLE_OPERATOR, REACH_OBJECTS,      "Containers",       "View Container Environment", "See the environment variables of containers"},
    {"events.view",          ROLE_VIEWER,   REACH_OBJECTS,      "Events",           "View Events",                "Read the event log"},
    {"hosts.manage",         ROLE_ADMIN,    REACH_OBJECTS,      "Hosts",            "Manage Hosts",               "Change and delete hosts"},
    {"hosts.view",           ROLE_VIEWER,   REACH_OBJECTS,      "Hosts",            "View Hosts",                 "See hosts and their statistics"},
    {"registry.manage",      ROLE_ADMIN,    REACH_INSTALLATION, "Registries",       "Manage Registries",          "Add, change and delete registries and their credentials"},
    {"registry.view",        ROLE_ADMIN,    REACH_INSTALLATION, "Registries",       "View Registries",            "See registries, without their passwords"},
    {"settings.manage",      ROLE_ADMIN,    REACH_INSTALLATION, "Settings",         "Manage Settings",            "Change the settings of the server"},
    {"tags.manage",          ROLE_OPERATOR, REACH_INSTALLATION, "Tags",             "Manage Tags",                "Change the tags of hosts and containers"},
    {"tags.view",            ROLE_VIEWER,   REACH_OBJECTS,      "Tags",             "View Tags",                  "See tags"},
    {"users.manage",         ROLE_ADMIN,    REACH_USERS,        "Users",            "Manage Users",               "Create, change and delete users"},
};
/* clang-format on */
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
