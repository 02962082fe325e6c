#include "server/api/handlers.h"
#include "server/api/route.h"

#define SMALL    4096
#define BULK     ((size_t)1 << 20)
#define LONG_OP  (UINT64_C(11) * 60 * 1000) /* the timeout of a stop is up to 10 minutes */
#define RESOURCE (UINT64_C(125) * 1000)     /* pruning images may take 2 minutes */
#define C        "/api/hosts/{host}/containers/{container}"

/* clang-format off */
/* One route per line, aligned in columns. */
const struct route routes[] = {
    {"GET",    "/health",                                  ROLE_NONE,     health_get,           NULL,                0,     0,        OBJECT_NONE,        OPERATION_NONE          },
    {"GET",    "/metrics",                                 ROLE_VIEWER,   metrics_get,          NULL,                0,     0,        OBJECT_LIST,        OPERATION_NONE          },
    {"GET",    "/install.sh",                              ROLE_NONE,     install_get,          NULL,                0,     0,        OBJECT_NONE,        OPERATION_NONE          },
    {"GET",    "/download/agent/{platform}",               ROLE_NONE,     agent_program_get,    NULL,                0,     0,        OBJECT_NONE,        OPERATION_NONE          },
    {"GET",    "/download/agent-image/{file}",             ROLE_NONE,     agent_image_get,      NULL,                0,     0,        OBJECT_NONE,        OPERATION_NONE          },
    {"GET",    "/api/openapi.json",                        ROLE_VIEWER,   openapi_get,          NULL,                0,     0,        OBJECT_NONE,        OPERATION_NONE          },
    {"POST",   "/api/v2/auth/login",                       ROLE_NONE,     login_post,           "login",             SMALL, 0,        OBJECT_NONE,        OPERATION_NONE          },
    {"POST",   "/api/v2/auth/logout",                      ROLE_NONE,     logout_post,          "logout",            SMALL, 0,        OBJECT_NONE,        OPERATION_NONE          },
    {"GET",    "/api/v2/auth/me",                          ROLE_VIEWER,   me_get,               NULL,                0,     0,        OBJECT_NONE,        OPERATION_NONE          },
    {"POST",   "/api/v2/auth/change-password",             ROLE_VIEWER,   password_post,        "change_password",   SMALL, 0,        OBJECT_NONE,        OPERATION_NONE          },
    {"GET",    "/api/v2/auth/sessions",                    ROLE_VIEWER,   sessions_list,        NULL,                0,     0,        OBJECT_NONE,        OPERATION_NONE          },
    {"DELETE", "/api/v2/auth/sessions/{session}",          ROLE_VIEWER,   sessions_revoke,      "session_revoke",    SMALL, 0,        OBJECT_NONE,        OPERATION_NONE          },
    {"GET",    "/api/v2/users",                            ROLE_ADMIN,    users_list,           NULL,                0,     0,        OBJECT_USERS,       OPERATION_NONE          },
    {"POST",   "/api/v2/users",                            ROLE_ADMIN,    users_create,         "user_create",       SMALL, 0,        OBJECT_USERS,       OPERATION_NONE          },
    {"PUT",    "/api/v2/users/{user}",                     ROLE_ADMIN,    users_put,            "user_role",         SMALL, 0,        OBJECT_USERS,       OPERATION_NONE          },
    {"DELETE", "/api/v2/users/{user}",                     ROLE_ADMIN,    users_delete_one,     "user_delete",       SMALL, 0,        OBJECT_USERS,       OPERATION_NONE          },
    {"POST",   "/api/v2/users/{user}/reset-password",      ROLE_ADMIN,    users_reset_password, "user_password",     SMALL, 0,        OBJECT_USERS,       OPERATION_NONE          },
    {"GET",    "/api/v2/api-keys",                         ROLE_VIEWER,   keys_list,            NULL,                0,     0,        OBJECT_NONE,        OPERATION_NONE          },
    {"POST",   "/api/v2/api-keys",                         ROLE_VIEWER,   keys_create,          "apikey_create",     SMALL, 0,        OBJECT_NONE,        OPERATION_NONE          },
    {"DELETE", "/api/v2/api-keys/{key}",                   ROLE_VIEWER,   keys_delete,          "apikey_delete",     SMALL, 0,        OBJECT_NONE,        OPERATION_NONE          },
    {"POST",   "/api/agent/generate-token",                ROLE_ADMIN,    agents_token_post,    "token_create",      SMALL, 0,        OBJECT_GLOBAL,      OPERATION_NONE          },
    {"GET",    "/api/agent/list",                          ROLE_VIEWER,   agents_list,          NULL,                0,     0,        OBJECT_LIST,        OPERATION_NONE          },
    {"GET",    "/api/agent/{agent}/status",                ROLE_VIEWER,   agents_status,        NULL,                0,     0,        OBJECT_AGENT,       OPERATION_NONE          },
    {"POST",   "/api/agent/{agent}/rotate-token",          ROLE_ADMIN,    agents_rotate,        "agent_rotate",      SMALL, 0,        OBJECT_WHOLE_AGENT, OPERATION_TOKEN_ROTATE  },
    {"POST",   "/api/agent/{agent}/revoke",                ROLE_ADMIN,    agents_revoke,        "agent_revoke",      SMALL, 0,        OBJECT_WHOLE_AGENT, OPERATION_NONE          },
    {"POST",   "/api/agent/{agent}/migrate-from/{source}", ROLE_ADMIN,    agents_migrate,       "agent_migrate",     SMALL, 0,        OBJECT_GLOBAL,      OPERATION_NONE          },
    {"GET",    "/api/hosts",                               ROLE_VIEWER,   hosts_list,           NULL,                0,     0,        OBJECT_LIST,        OPERATION_NONE          },
    {"PUT",    "/api/hosts/{host}",                        ROLE_ADMIN,    hosts_put,            "host_update",       SMALL, 0,        OBJECT_WHOLE_HOST,  OPERATION_NONE          },
    {"DELETE", "/api/hosts/{host}",                        ROLE_ADMIN,    hosts_delete_one,     "host_delete",       SMALL, 0,        OBJECT_WHOLE_HOST,  OPERATION_NONE          },
    {"PATCH",  "/api/hosts/{host}/tags",                   ROLE_OPERATOR, hosts_tags_patch,     "host_tags",         SMALL, 0,        OBJECT_GLOBAL,      OPERATION_NONE          },
    {"GET",    "/api/hosts/{host}/agent",                  ROLE_VIEWER,   hosts_agent_get,      NULL,                0,     0,        OBJECT_HOST,        OPERATION_NONE          },
    {"GET",    "/api/hosts/{host}/metrics",                ROLE_VIEWER,   hosts_metrics,        NULL,                0,     0,        OBJECT_WHOLE_HOST,  OPERATION_NONE          },
    {"GET",    "/api/hosts/{host}/stats/history",          ROLE_VIEWER,   host_stats_history,   NULL,                0,     0,        OBJECT_WHOLE_HOST,  OPERATION_NONE          },
    {"GET",    "/api/hosts/{host}/stats/live",             ROLE_VIEWER,   host_stats_live,      NULL,                0,     0,        OBJECT_WHOLE_HOST,  OPERATION_NONE          },
    {"GET",    "/api/history",                             ROLE_VIEWER,   history_get,          NULL,                0,     0,        OBJECT_GLOBAL,      OPERATION_NONE          },
    {"GET",    "/api/containers",                          ROLE_VIEWER,   containers_list,      NULL,                0,     0,        OBJECT_LIST,        OPERATION_NONE          },
    {"GET",    "/api/containers/resolve",                  ROLE_VIEWER,   containers_resolve_get, NULL,              0,     0,        OBJECT_LIST,        OPERATION_NONE          },
    {"POST",   C "/start",                                 ROLE_OPERATOR, container_operate,    "container_start",   SMALL, LONG_OP,  OBJECT_CONTAINER,   OPERATION_START         },
    {"POST",   C "/stop",                                  ROLE_OPERATOR, container_operate,    "container_stop",    SMALL, LONG_OP,  OBJECT_CONTAINER,   OPERATION_STOP          },
    {"POST",   C "/restart",                               ROLE_OPERATOR, container_operate,    "container_restart", SMALL, LONG_OP,  OBJECT_CONTAINER,   OPERATION_RESTART       },
    {"POST",   C "/kill",                                  ROLE_OPERATOR, container_operate,    "container_kill",    SMALL, LONG_OP,  OBJECT_CONTAINER,   OPERATION_KILL          },
    {"POST",   C "/pause",                                 ROLE_OPERATOR, container_operate,    "container_pause",   SMALL, LONG_OP,  OBJECT_CONTAINER,   OPERATION_PAUSE         },
    {"POST",   C "/unpause",                               ROLE_OPERATOR, container_operate,    "container_unpause", SMALL, LONG_OP,  OBJECT_CONTAINER,   OPERATION_UNPAUSE       },
    {"POST",   C "/rename",                                ROLE_OPERATOR, container_operate,    "container_rename",  SMALL, LONG_OP,  OBJECT_CONTAINER,   OPERATION_RENAME        },
    {"DELETE", C,                                          ROLE_OPERATOR, container_operate,    "container_remove",  SMALL, LONG_OP,  OBJECT_CONTAINER,   OPERATION_REMOVE        },
    {"POST",   "/api/bulk",                                ROLE_OPERATOR, bulk_create,          "bulk_create",       BULK,  0,        OBJECT_LIST,        OPERATION_NONE          },
    {"GET",    "/api/bulk/{job}",                          ROLE_OPERATOR, bulk_get,             NULL,                0,     0,        OBJECT_NONE,        OPERATION_NONE          },
    {"DELETE", "/api/bulk/{job}",                          ROLE_OPERATOR, bulk_cancel,          "bulk_cancel",       SMALL, 0,        OBJECT_NONE,        OPERATION_NONE          },
    {"GET",    C "/logs",                                  ROLE_VIEWER,   container_logs,       NULL,                0,     0,        OBJECT_CONTAINER,   OPERATION_GET_LOGS      },
    {"GET",    C "/stats/history",                         ROLE_VIEWER,   container_stats_history, NULL,             0,     0,        OBJECT_CONTAINER,   OPERATION_NONE          },
    {"GET",    C "/stats/live",                            ROLE_VIEWER,   container_stats_live, NULL,                0,     0,        OBJECT_CONTAINER,   OPERATION_NONE          },
    {"GET",    C "/inspect",                               ROLE_VIEWER,   container_inspect,    NULL,                0,     0,        OBJECT_CONTAINER,   OPERATION_INSPECT       },
    {"GET",    "/api/hosts/{host}/images",                 ROLE_VIEWER,   host_resource_ask,    NULL,                0,     RESOURCE, OBJECT_WHOLE_HOST,  OPERATION_LIST_IMAGES   },
    {"POST",   "/api/hosts/{host}/images/prune",           ROLE_OPERATOR, host_images_prune,    "images_prune",      SMALL, RESOURCE, OBJECT_WHOLE_HOST,  OPERATION_PRUNE_IMAGES  },
    {"DELETE", "/api/hosts/{host}/images/{image...}",      ROLE_OPERATOR, host_image_delete,    "image_delete",      SMALL, RESOURCE, OBJECT_WHOLE_HOST,  OPERATION_REMOVE_IMAGE  },
    {"GET",    "/api/hosts/{host}/networks",               ROLE_VIEWER,   host_resource_ask,    NULL,                0,     RESOURCE, OBJECT_WHOLE_HOST,  OPERATION_LIST_NETWORKS },
    {"POST",   "/api/hosts/{host}/networks",               ROLE_OPERATOR, host_network_create,  "network_create",    SMALL, RESOURCE, OBJECT_WHOLE_HOST,  OPERATION_CREATE_NETWORK},
    {"POST",   "/api/hosts/{host}/networks/prune",         ROLE_OPERATOR, host_networks_prune,  "networks_prune",    SMALL, RESOURCE, OBJECT_WHOLE_HOST,  OPERATION_PRUNE_NETWORKS},
    {"DELETE", "/api/hosts/{host}/networks/{network}",     ROLE_OPERATOR, host_network_delete,  "network_delete",    SMALL, RESOURCE, OBJECT_WHOLE_HOST,  OPERATION_DELETE_NETWORK},
    {"GET",    "/api/hosts/{host}/volumes",                ROLE_VIEWER,   host_resource_ask,    NULL,                0,     RESOURCE, OBJECT_WHOLE_HOST,  OPERATION_LIST_VOLUMES  },
    {"POST",   "/api/hosts/{host}/volumes",                ROLE_OPERATOR, host_volume_create,   "volume_create",     SMALL, RESOURCE, OBJECT_WHOLE_HOST,  OPERATION_CREATE_VOLUME },
    {"POST",   "/api/hosts/{host}/volumes/prune",          ROLE_OPERATOR, host_volumes_prune,   "volumes_prune",     SMALL, RESOURCE, OBJECT_WHOLE_HOST,  OPERATION_PRUNE_VOLUMES },
    {"DELETE", "/api/hosts/{host}/volumes/{volume}",       ROLE_OPERATOR, host_volume_delete,   "volume_delete",     SMALL, RESOURCE, OBJECT_WHOLE_HOST,  OPERATION_DELETE_VOLUME },
    {"GET",    "/api/events",                              ROLE_VIEWER,   api_events_list,      NULL,                0,     0,        OBJECT_LIST,        OPERATION_NONE          },
    {"GET",    "/api/audit",                               ROLE_ADMIN,    api_audit_list,       NULL,                0,     0,        OBJECT_GLOBAL,      OPERATION_NONE          },
    {"GET",    "/api/admin/log-level",                     ROLE_ADMIN,    log_level_get,        NULL,                0,     0,        OBJECT_GLOBAL,      OPERATION_NONE          },
    {"PUT",    "/api/admin/log-level",                     ROLE_ADMIN,    log_level_put,        "log_level",         SMALL, 0,        OBJECT_GLOBAL,      OPERATION_NONE          },
};
/* clang-format on */

const size_t n_routes = sizeof(routes) / sizeof(routes[0]);
