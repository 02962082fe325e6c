#include "proto/operation.h"

#include "base/macros.h"
#include "base/str.h"

#include <assert.h>

#define OPERATION COMMAND_KIND_OPERATION
#define COMMAND   COMMAND_KIND_COMMAND

static const enum error_code no_errors[] = {CODE_NONE};
static const enum error_code container_errors[] = {CODE_NO_SUCH_CONTAINER, CODE_CONTAINER_PAUSED,
                                                   CODE_CONFLICT, CODE_NONE};
static const enum error_code running_container_errors[] = {
    CODE_NO_SUCH_CONTAINER, CODE_CONTAINER_NOT_RUNNING, CODE_CONTAINER_PAUSED, CODE_NONE};
static const enum error_code paused_container_errors[] = {CODE_NO_SUCH_CONTAINER,
                                                          CODE_CONTAINER_NOT_PAUSED, CODE_NONE};
static const enum error_code new_name_errors[] = {CODE_NO_SUCH_CONTAINER, CODE_NAME_IN_USE,
                                                  CODE_NONE};
static const enum error_code limit_errors[] = {CODE_NO_SUCH_CONTAINER, CODE_CONFLICT, CODE_NONE};
static const enum error_code removal_errors[] = {CODE_NO_SUCH_CONTAINER, CODE_CONTAINER_RUNNING,
                                                 CODE_CONFLICT, CODE_NONE};
static const enum error_code image_errors[] = {CODE_NO_SUCH_IMAGE, CODE_IN_USE, CODE_NONE};
static const enum error_code creation_errors[] = {CODE_NAME_IN_USE, CODE_NONE};
static const enum error_code network_errors[] = {CODE_NO_SUCH_NETWORK, CODE_IN_USE,
                                                 CODE_BUILT_IN_NETWORK, CODE_NONE};
static const enum error_code update_errors[] = {
    CODE_NO_SUCH_CONTAINER, CODE_NO_SUCH_IMAGE,    CODE_UPDATE_IN_PROGRESS,
    CODE_PREVIEW_STALE,     CODE_UPDATE_LOCKED,    CODE_UPDATE_REFUSED,
    CODE_CONSENT_REQUIRED,  CODE_TOO_MANY_UPDATES, CODE_NONE};
static const enum error_code preview_errors[] = {CODE_NO_SUCH_CONTAINER, CODE_NO_SUCH_IMAGE,
                                                 CODE_PULL_FAILED, CODE_NONE};
static const enum error_code rollback_errors[] = {CODE_NO_SUCH_UPDATE, CODE_UPDATE_TOO_LATE,
                                                  CODE_NONE};
static const enum error_code self_update_errors[] = {CODE_UPDATE_REFUSED, CODE_UPDATE_IN_PROGRESS,
                                                     CODE_NONE};
static const enum error_code volume_errors[] = {CODE_NO_SUCH_VOLUME, CODE_IN_USE, CODE_NONE};

/*
 * The columns: name, kind, word, class, capability; and on the next line era, role, effect,
 * arguments; flags, errors.
 */
/* clang-format off */
static const struct operation_spec specs[OPERATIONS] = {
    [OPERATION_START] = {
        "start", OPERATION, "start", POLICY_OPERATE, CONTAINER_OPERATIONS_CAPABILITY,
        ERA_SEED, ROLE_OPERATOR, EFFECT_CHANGES, TAKES_CONTAINER, IS_BULK, container_errors},
    [OPERATION_STOP] = {
        "stop", OPERATION, "stop", POLICY_OPERATE, CONTAINER_OPERATIONS_CAPABILITY,
        ERA_SEED, ROLE_OPERATOR, EFFECT_ENDS, TAKES_CONTAINER | TAKES_TIMEOUT,
        IS_BULK | SPARES_OWN, container_errors},
    [OPERATION_RESTART] = {
        "restart", OPERATION, "restart", POLICY_OPERATE, CONTAINER_OPERATIONS_CAPABILITY,
        ERA_SEED, ROLE_OPERATOR, EFFECT_ENDS, TAKES_CONTAINER | TAKES_TIMEOUT,
        IS_BULK | SPARES_OWN, container_errors},
    [OPERATION_KILL] = {
        "kill", OPERATION, "kill", POLICY_OPERATE, CONTAINER_OPERATIONS_CAPABILITY,
        ERA_TODAY, ROLE_OPERATOR, EFFECT_ENDS, TAKES_CONTAINER | TAKES_SIGNAL,
        IS_BULK | SPARES_OWN, running_container_errors},
    [OPERATION_PAUSE] = {
        "pause", OPERATION, "pause", POLICY_OPERATE, PAUSE_CAPABILITY,
        ERA_OURS, ROLE_OPERATOR, EFFECT_CHANGES, TAKES_CONTAINER,
        IS_BULK | SPARES_OWN, running_container_errors},
    [OPERATION_UNPAUSE] = {
        "unpause", OPERATION, "unpause", POLICY_OPERATE, PAUSE_CAPABILITY,
        ERA_OURS, ROLE_OPERATOR, EFFECT_CHANGES, TAKES_CONTAINER,
        IS_BULK, paused_container_errors},
    [OPERATION_RENAME] = {
        "rename", OPERATION, "rename", POLICY_FULL, CONTAINER_OPERATIONS_CAPABILITY,
        ERA_TODAY, ROLE_OPERATOR, EFFECT_CHANGES, TAKES_CONTAINER | TAKES_NEW_NAME,
        SPARES_OWN, new_name_errors},
    [OPERATION_SET_LIMITS] = {
        "set_limits", OPERATION, "set_limits", POLICY_FULL, LIMITS_CAPABILITY,
        ERA_OURS, ROLE_OPERATOR, EFFECT_CHANGES, TAKES_CONTAINER | TAKES_LIMITS,
        SPARES_OWN, limit_errors},
    [OPERATION_REMOVE] = {
        "remove", OPERATION, "remove", POLICY_FULL, CONTAINER_OPERATIONS_CAPABILITY,
        ERA_SEED, ROLE_OPERATOR, EFFECT_ENDS, TAKES_CONTAINER | TAKES_REMOVAL,
        IS_BULK | SPARES_OWN, removal_errors},
    [OPERATION_GET_LOGS] = {
        "get_logs", OPERATION, "get_logs", POLICY_READ, CONTAINER_OPERATIONS_CAPABILITY,
        ERA_SEED, ROLE_VIEWER, EFFECT_READS, TAKES_CONTAINER | TAKES_LOG_RANGE,
        0, container_errors},
    [OPERATION_INSPECT] = {
        "inspect", OPERATION, "inspect", POLICY_READ, CONTAINER_OPERATIONS_CAPABILITY,
        ERA_SEED, ROLE_VIEWER, EFFECT_READS, TAKES_CONTAINER, 0, container_errors},
    [OPERATION_TOP] = {
        "top", OPERATION, "top", POLICY_READ, PROCESSES_CAPABILITY,
        ERA_OURS, ROLE_VIEWER, EFFECT_READS, TAKES_CONTAINER, 0, running_container_errors},
    [OPERATION_DIFF] = {
        "diff", OPERATION, "diff", POLICY_READ, PROCESSES_CAPABILITY,
        ERA_OURS, ROLE_VIEWER, EFFECT_READS, TAKES_CONTAINER, 0, container_errors},
    [OPERATION_PING] = {
        "ping", COMMAND, "ping", POLICY_BASIC, NULL,
        ERA_SEED, ROLE_NONE, EFFECT_READS, 0, 0, no_errors},
    [OPERATION_GET_SYSTEM_INFO] = {
        "get_system_info", COMMAND, "get_system_info", POLICY_BASIC, NULL,
        ERA_SEED, ROLE_NONE, EFFECT_READS, 0, 0, no_errors},
    [OPERATION_LIST_CONTAINERS] = {
        "list_containers", COMMAND, "list_containers", POLICY_BASIC, NULL,
        ERA_SEED, ROLE_NONE, EFFECT_READS, 0, 0, no_errors},
    [OPERATION_START_CONTAINER] = {
        "start_container", COMMAND, "start", POLICY_OPERATE, CONTAINER_OPERATIONS_CAPABILITY,
        ERA_SEED, ROLE_NONE, EFFECT_CHANGES, TAKES_CONTAINER, 0, container_errors},
    [OPERATION_STOP_CONTAINER] = {
        "stop_container", COMMAND, "stop", POLICY_OPERATE, CONTAINER_OPERATIONS_CAPABILITY,
        ERA_SEED, ROLE_NONE, EFFECT_ENDS, TAKES_CONTAINER | TAKES_TIMEOUT, 0, container_errors},
    [OPERATION_RESTART_CONTAINER] = {
        "restart_container", COMMAND, "restart", POLICY_OPERATE, CONTAINER_OPERATIONS_CAPABILITY,
        ERA_SEED, ROLE_NONE, EFFECT_ENDS, TAKES_CONTAINER | TAKES_TIMEOUT, 0, container_errors},
    [OPERATION_DELETE_CONTAINER] = {
        "delete_container", COMMAND, "remove", POLICY_FULL, CONTAINER_OPERATIONS_CAPABILITY,
        ERA_SEED, ROLE_NONE, EFFECT_ENDS, TAKES_CONTAINER | TAKES_REMOVAL, 0, removal_errors},
    [OPERATION_CONTAINER_LOGS] = {
        "container_logs", COMMAND, "get_logs", POLICY_READ, CONTAINER_OPERATIONS_CAPABILITY,
        ERA_SEED, ROLE_NONE, EFFECT_READS, TAKES_CONTAINER | TAKES_LOG_RANGE,
        0, container_errors},
    [OPERATION_LIST_IMAGES] = {
        "list_images", COMMAND, "list_images", POLICY_READ, RESOURCES_CAPABILITY,
        ERA_TODAY, ROLE_VIEWER, EFFECT_READS, TAKES_RESOURCE, 0, no_errors},
    [OPERATION_REMOVE_IMAGE] = {
        "remove_image", COMMAND, "remove_image", POLICY_FULL, RESOURCES_CAPABILITY,
        ERA_TODAY, ROLE_OPERATOR, EFFECT_ENDS, TAKES_RESOURCE, 0, image_errors},
    [OPERATION_PRUNE_IMAGES] = {
        "prune_images", COMMAND, "prune_images", POLICY_FULL, RESOURCES_CAPABILITY,
        ERA_TODAY, ROLE_OPERATOR, EFFECT_ENDS, TAKES_RESOURCE, 0, no_errors},
    [OPERATION_LIST_NETWORKS] = {
        "list_networks", COMMAND, "list_networks", POLICY_READ, RESOURCES_CAPABILITY,
        ERA_TODAY, ROLE_VIEWER, EFFECT_READS, TAKES_RESOURCE, 0, no_errors},
    [OPERATION_CREATE_NETWORK] = {
        "create_network", COMMAND, "create_network", POLICY_FULL, RESOURCES_CAPABILITY,
        ERA_TODAY, ROLE_OPERATOR, EFFECT_CHANGES, TAKES_RESOURCE, 0, creation_errors},
    [OPERATION_DELETE_NETWORK] = {
        "delete_network", COMMAND, "delete_network", POLICY_FULL, RESOURCES_CAPABILITY,
        ERA_TODAY, ROLE_OPERATOR, EFFECT_ENDS, TAKES_RESOURCE, 0, network_errors},
    [OPERATION_PRUNE_NETWORKS] = {
        "prune_networks", COMMAND, "prune_networks", POLICY_FULL, RESOURCES_CAPABILITY,
        ERA_TODAY, ROLE_OPERATOR, EFFECT_ENDS, TAKES_RESOURCE, 0, no_errors},
    [OPERATION_LIST_VOLUMES] = {
        "list_volumes", COMMAND, "list_volumes", POLICY_READ, RESOURCES_CAPABILITY,
        ERA_TODAY, ROLE_VIEWER, EFFECT_READS, TAKES_RESOURCE, 0, no_errors},
    [OPERATION_CREATE_VOLUME] = {
        "create_volume", COMMAND, "create_volume", POLICY_FULL, RESOURCES_CAPABILITY,
        ERA_OURS, ROLE_OPERATOR, EFFECT_CHANGES, TAKES_RESOURCE, 0, no_errors},
    [OPERATION_DELETE_VOLUME] = {
        "delete_volume", COMMAND, "delete_volume", POLICY_FULL, RESOURCES_CAPABILITY,
        ERA_TODAY, ROLE_OPERATOR, EFFECT_ENDS, TAKES_RESOURCE, 0, volume_errors},
    [OPERATION_PRUNE_VOLUMES] = {
        "prune_volumes", COMMAND, "prune_volumes", POLICY_FULL, RESOURCES_CAPABILITY,
        ERA_TODAY, ROLE_OPERATOR, EFFECT_ENDS, TAKES_RESOURCE, 0, no_errors},
    [OPERATION_DISK_USAGE] = {
        "disk_usage", COMMAND, "disk_usage", POLICY_READ, DISK_USAGE_CAPABILITY,
        ERA_OURS, ROLE_VIEWER, EFFECT_READS, TAKES_RESOURCE, 0, no_errors},
    [OPERATION_UPDATE_PREVIEW] = {
        "update_preview", COMMAND, "preview", POLICY_READ, UPDATES_CAPABILITY,
        ERA_OURS, ROLE_NONE, EFFECT_READS, TAKES_CONTAINER | TAKES_UPDATE, 0, preview_errors},
    /* Agents of DockMon know it, too, without journal and rollback. */
    [OPERATION_UPDATE_CONTAINER] = {
        "update_container", COMMAND, "update", POLICY_FULL, UPDATES_CAPABILITY,
        ERA_SEED, ROLE_NONE, EFFECT_CHANGES, TAKES_CONTAINER | TAKES_UPDATE,
        SPARES_OWN, update_errors},
    [OPERATION_UPDATE_ROLLBACK] = {
        "update_rollback", COMMAND, "rollback", POLICY_FULL, UPDATES_CAPABILITY,
        ERA_OURS, ROLE_NONE, EFFECT_CHANGES, TAKES_UPDATE, 0, rollback_errors},
    [OPERATION_UPDATE_CANCEL] = {
        "update_cancel", COMMAND, "rollback", POLICY_FULL, UPDATES_CAPABILITY,
        ERA_OURS, ROLE_NONE, EFFECT_CHANGES, TAKES_UPDATE, 0, rollback_errors},
    [OPERATION_UPDATE_LIST] = {
        "update_list", COMMAND, "update_list", POLICY_READ, UPDATES_CAPABILITY,
        ERA_OURS, ROLE_NONE, EFFECT_READS, 0, 0, no_errors},
    [OPERATION_SELF_UPDATE] = {
        "self_update", COMMAND, "self_update", POLICY_FULL, SELF_UPDATE_CAPABILITY,
        ERA_OURS, ROLE_ADMIN, EFFECT_CHANGES, TAKES_PROGRAM, 0, self_update_errors},
    [OPERATION_TOKEN_ROTATE] = {
        "token_rotate", COMMAND, NULL, POLICY_BASIC, TOKEN_ROTATE_CAPABILITY,
        ERA_OURS, ROLE_ADMIN, EFFECT_CHANGES, TAKES_TOKEN, 0, no_errors},
    [OPERATION_SHELL] = {
        "shell", COMMAND_KIND_NONE, "shell", POLICY_FULL, SHELL_ACCESS_CAPABILITY,
        ERA_TODAY, ROLE_OPERATOR, EFFECT_CHANGES, TAKES_CONTAINER,
        IS_WEBSOCKET, running_container_errors},
    [OPERATION_COPY] = {
        "copy", COMMAND_KIND_NONE, "copy", POLICY_FULL, COPY_CAPABILITY,
        ERA_OURS, ROLE_OPERATOR, EFFECT_CHANGES, TAKES_CONTAINER,
        IS_WEBSOCKET, container_errors},
};
/* clang-format on */

const struct operation_spec *operation_spec(enum operation_id id)
{
    assert(id > OPERATION_NONE && id < OPERATIONS);
    return &specs[id];
}

enum operation_id operation_find(enum command_kind kind, const char *name)
{
    operation_foreach(id) {
        if (specs[id].kind == kind && str_eq(specs[id].name, name))
            return id;
    }
    return OPERATION_NONE;
}

bool operation_uses_capability(const char *capability)
{
    operation_foreach(id) {
        if (str_eq(specs[id].capability, capability))
            return true;
    }
    return false;
}
