#include "agent/commands/operations.h"
#include "agent/commands/container.h"
#include "agent/commands/resource.h"
#include "agent/commands/self_update.h"
#include "agent/commands/system.h"
#include "agent/commands/updates.h"

/*
 * The deadlines are shorter than those of the servers, so that a server gets the reason instead
 * of a timeout of its own. With TAKES_TIMEOUT the timeout of the request is added.
 */
static const struct agent_operation operations[OPERATIONS] = {
    [OPERATION_START] = {&container_change,    25,  NEEDS_RULES  },
    [OPERATION_STOP] = {&container_change,    15,  NEEDS_RULES  },
    [OPERATION_RESTART] = {&container_change,    15,  NEEDS_RULES  },
    [OPERATION_KILL] = {&container_change,    25,  NEEDS_RULES  },
    [OPERATION_PAUSE] = {&container_change,    25,  NEEDS_RULES  },
    [OPERATION_UNPAUSE] = {&container_change,    25,  NEEDS_RULES  },
    [OPERATION_RENAME] = {&container_change,    25,  NEEDS_RULES  },
    [OPERATION_SET_LIMITS] = {&container_change,    25,  NEEDS_RULES  },
    [OPERATION_REMOVE] = {&container_change,    25,  NEEDS_RULES  },
    [OPERATION_GET_LOGS] = {&container_logs,      25,  NEEDS_NOTHING},
    [OPERATION_INSPECT] = {&container_inspect,   12,  NEEDS_NOTHING},
    [OPERATION_TOP] = {&container_read,      12,  NEEDS_NOTHING},
    [OPERATION_DIFF] = {&container_read,      25,  NEEDS_NOTHING},
    [OPERATION_PING] = {&system_ping,         5,   NEEDS_NOTHING},
    [OPERATION_GET_SYSTEM_INFO] = {&system_info,         25,  NEEDS_NOTHING},
    [OPERATION_LIST_CONTAINERS] = {&system_containers,   28,  NEEDS_NOTHING},
    [OPERATION_START_CONTAINER] = {&container_change,    25,  NEEDS_RULES  },
    [OPERATION_STOP_CONTAINER] = {&container_change,    15,  NEEDS_RULES  },
    [OPERATION_RESTART_CONTAINER] = {&container_change,    15,  NEEDS_RULES  },
    [OPERATION_DELETE_CONTAINER] = {&container_change,    25,  NEEDS_RULES  },
    [OPERATION_CONTAINER_LOGS] = {&container_logs,      25,  NEEDS_NOTHING},
    [OPERATION_LIST_IMAGES] = {&images_list,         25,  NEEDS_NOTHING},
    [OPERATION_REMOVE_IMAGE] = {&images_remove,       55,  NEEDS_NOTHING},
    [OPERATION_PRUNE_IMAGES] = {&images_prune,        115, NEEDS_NOTHING},
    [OPERATION_LIST_NETWORKS] = {&networks_list,       25,  NEEDS_NOTHING},
    [OPERATION_CREATE_NETWORK] = {&networks_create,     25,  NEEDS_NOTHING},
    [OPERATION_DELETE_NETWORK] = {&networks_delete,     55,  NEEDS_NOTHING},
    [OPERATION_PRUNE_NETWORKS] = {&networks_prune,      55,  NEEDS_NOTHING},
    [OPERATION_LIST_VOLUMES] = {&volumes_list,        25,  NEEDS_NOTHING},
    [OPERATION_CREATE_VOLUME] = {&volumes_create,      25,  NEEDS_NOTHING},
    [OPERATION_DELETE_VOLUME] = {&volumes_delete,      55,  NEEDS_NOTHING},
    [OPERATION_PRUNE_VOLUMES] = {&volumes_prune,       55,  NEEDS_NOTHING},
    [OPERATION_DISK_USAGE] = {&disk_usage,          115, NEEDS_NOTHING},
    [OPERATION_UPDATE_PREVIEW] = {&updates_preview,     110, NEEDS_NOTHING},
    [OPERATION_UPDATE_CONTAINER] = {&updates_container,   55,  NEEDS_RULES  },
    [OPERATION_UPDATE_ROLLBACK] = {&updates_rollback,    25,  NEEDS_NOTHING},
    [OPERATION_UPDATE_CANCEL] = {&updates_cancel_one,  25,  NEEDS_NOTHING},
    [OPERATION_UPDATE_LIST] = {&updates_list,        25,  NEEDS_NOTHING},
    [OPERATION_SELF_UPDATE] = {&self_update_program, 25,  NEEDS_NOTHING},

 /* Carried out by session/session.c and shell/. */
    [OPERATION_TOKEN_ROTATE] = {NULL,                 0,   NEEDS_NOTHING},
    [OPERATION_SHELL] = {NULL,                 0,   NEEDS_NOTHING},
    [OPERATION_COPY] = {NULL,                 0,   NEEDS_NOTHING},
};

const struct agent_operation *agent_operation(enum operation_id id)
{
    return operations[id].type ? &operations[id] : NULL;
}
