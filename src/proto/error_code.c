#include "proto/error_code.h"

#include "base/macros.h"
#include "base/str.h"
#include "proto/known_texts.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define ASK_ADMIN "your user or API key does not allow this, ask an administrator"
#define NEW_TOKEN "create a new registration token on the server and set REGISTRATION_TOKEN"

struct row {
    const char *name;
    int code; /* errno */
    int status;
    const char *sentence;
    const char *advice;
};

/* clang-format off */
static const struct row rows[ERROR_CODES] = {
    [CODE_INTERNAL_ERROR] = {"internal_error", EIO, 500,
        "Internal error", NULL},
    [CODE_BAD_REQUEST] = {"bad_request", EBADMSG, 400,
        "The request is malformed", NULL},
    [CODE_INVALID_ARGUMENT] = {"invalid_argument", EINVAL, 400,
        "An argument is invalid", NULL},
    [CODE_INVALID_VALUE] = {"invalid_value", EDOM, 422,
        "A value is not allowed", NULL},
    [CODE_NOT_AUTHENTICATED] = {"not_authenticated", ENOKEY, 401,
        "Not authenticated", "log in with `dockmon login`"},
    [CODE_PERMISSION_DENIED] = {"permission_denied", EACCES, 403,
        "Permission denied", ASK_ADMIN},
    [CODE_NOT_FOUND] = {"not_found", ENOENT, 404,
        "Not found", NULL},
    [CODE_METHOD_NOT_ALLOWED] = {"method_not_allowed", ENOTSUP, 405,
        "The method is not allowed here", NULL},
    [CODE_CONFLICT] = {"conflict", EBUSY, 409,
        "The state of the object does not permit this", NULL},
    [CODE_ALREADY_EXISTS] = {"already_exists", EEXIST, 409,
        "The name is in use already", NULL},
    [CODE_TOO_LARGE] = {"too_large", EMSGSIZE, 413,
        "The request is too large", "the request is too large"},
    [CODE_RATE_LIMITED] = {"rate_limited", EAGAIN, 429,
        "Too many requests", "wait a moment and try again"},
    [CODE_NOT_SUPPORTED] = {"not_supported", ENOSYS, 501,
        "This is not supported", NULL},
    [CODE_BAD_REPLY] = {"bad_reply", EPROTO, 502,
        "The reply cannot be read", NULL},
    [CODE_UNAVAILABLE] = {"unavailable", ECONNREFUSED, 503,
        "Not available at the moment", NULL},
    [CODE_BUSY] = {"busy", ENOBUFS, 503,
        "The server is busy, try again in a moment", NULL},
    [CODE_HOST_OFFLINE] = {"host_offline", ENOTCONN, 503,
        "The host is offline", NULL},
    [CODE_STORAGE_FULL] = {"storage_full", ENOSPC, 503,
        "The disk of the server is full", NULL},
    [CODE_STORAGE_READ_ONLY] = {"storage_read_only", EROFS, 503,
        "The disk of the server is read-only", NULL},
    [CODE_TIMEOUT] = {"timeout", ETIMEDOUT, 504,
        "No answer in time", NULL},

    [CODE_NO_SUCH_CONTAINER] = {"no_such_container", ENOENT, 404,
        "No such container", NULL},
    [CODE_NO_SUCH_IMAGE] = {"no_such_image", ENOENT, 404,
        "No such image", NULL},
    [CODE_NO_SUCH_NETWORK] = {"no_such_network", ENOENT, 404,
        "No such network", NULL},
    [CODE_NO_SUCH_VOLUME] = {"no_such_volume", ENOENT, 404,
        "No such volume", NULL},
    [CODE_AMBIGUOUS_CONTAINER] = {"ambiguous_container", EEXIST, 409,
        "More than one container matches", "give the full name or more digits of the id"},
    [CODE_NAME_IN_USE] = {"name_in_use", EEXIST, 409,
        "The name is in use already", NULL},
    [CODE_IN_USE] = {"in_use", EBUSY, 409,
        "Containers use this", NULL},
    [CODE_CONTAINER_RUNNING] = {"container_running", EBUSY, 409,
        "The container is running", NULL},
    [CODE_CONTAINER_NOT_RUNNING] = {"container_not_running", EBUSY, 409,
        "The container is not running", NULL},
    [CODE_CONTAINER_PAUSED] = {"container_paused", EBUSY, 409,
        "The container is paused", NULL},
    [CODE_CONTAINER_NOT_PAUSED] = {"container_not_paused", EBUSY, 409,
        "The container is not paused", NULL},
    [CODE_BUILT_IN_NETWORK] = {"built_in_network", EINVAL, 400,
        "Built-in networks cannot be changed", NULL},
    [CODE_OWN_CONTAINER] = {"own_container", EACCES, 403,
        "Permission denied: the container belongs to DockMon", NULL},
    [CODE_OPERATION_IN_PROGRESS] = {"operation_in_progress", EBUSY, 409,
        "Another operation on the container is in progress", NULL},
    [CODE_OPERATION_OVERTAKEN] = {"operation_overtaken", EBUSY, 409,
        "Another operation on the container has ended this one", NULL},
    [CODE_CONTAINER_BUSY] = {"container_busy", ENOBUFS, 503,
        "Another operation on the container takes too long",
        "wait a moment and try again, or end it with `kill`"},

    [CODE_POLICY_DENIED] = {"policy_denied", EACCES, 403,
        "The policy of the host forbids this", "the policy and the labels are set on that host"},
    [CODE_UNKNOWN_OPERATION] = {"unknown_operation", ENOSYS, 501,
        "The agent of this host is too old for this", NULL},
    [CODE_ENGINE_ERROR] = {"engine_error", EREMOTEIO, 500,
        "The Docker engine reports an error", NULL},
    [CODE_ENGINE_UNREACHABLE] = {"engine_unreachable", EREMOTEIO, 503,
        "The Docker engine does not answer", "check the engine on that host"},
    [CODE_AGENT_STOPPING] = {"agent_stopping", ENOTCONN, 503,
        "The agent is stopping", "wait a moment and try again"},
    [CODE_TOO_MANY_COMMANDS] = {"too_many_commands", ENOBUFS, 503,
        "Too many commands are pending for this host", "wait a moment and try again"},
    [CODE_REPLY_TOO_LARGE] = {"reply_too_large", EREMOTEIO, 500,
        "The reply of the agent is too large", NULL},
    [CODE_ENGINE_REFUSED] = {"engine_refused", EREMOTEIO, 403,
        "The Docker engine, or a proxy in front of it, refuses this",
        "no role or policy of DockMon forbids it: if a proxy or an authorization plugin of the engine "
        "does, allow the request there"},

    [CODE_CIRCUIT_OPEN] = {"circuit_open", ECONNREFUSED, 503,
        "The agent of this host fails again and again", "wait half a minute and try again, or restart the agent"},

    [CODE_NO_SUCH_UPDATE] = {"no_such_update", ENOENT, 404,
        "No such update", NULL},
    [CODE_UPDATE_IN_PROGRESS] = {"update_in_progress", EBUSY, 409,
        "An update of the container is in progress", NULL},
    [CODE_PREVIEW_STALE] = {"preview_stale", EBUSY, 409,
        "The container or its image has changed since the preview", "ask for a new preview"},
    [CODE_UPDATE_LOCKED] = {"update_locked", EBUSY, 409,
        "The container is locked against updates", "wait until the lock is removed"},
    [CODE_UPDATE_REFUSED] = {"update_refused", EBUSY, 409,
        "This container cannot be updated", NULL},
    [CODE_UPDATE_BLOCKED] = {"update_blocked", EBUSY, 409,
        "An update policy forbids this", "change the policy, or force the update"},
    [CODE_UPDATE_TOO_LATE] = {"update_too_late", EBUSY, 409,
        "It is too late for this", NULL},
    [CODE_CONSENT_REQUIRED] = {"consent_required", EBUSY, 409,
        "The update needs your consent", NULL},
    [CODE_DEPENDENCY_CYCLE] = {"dependency_cycle", EBUSY, 409,
        "The containers depend on each other in a circle", NULL},
    [CODE_TOO_MANY_UPDATES] = {"too_many_updates", ENOBUFS, 503,
        "Too many updates are in progress on this host", "wait until one of them ends"},
    [CODE_PULL_FAILED] = {"pull_failed", EREMOTEIO, 502,
        "The image cannot be pulled", NULL},
    [CODE_NOT_HEALTHY] = {"not_healthy", EREMOTEIO, 500,
        "The new container does not stay up, or is not healthy", NULL},
    [CODE_SETTINGS_LOST] = {"settings_lost", EREMOTEIO, 500,
        "The new container lacks settings of the old one", NULL},
    [CODE_ROLLBACK_FAILED] = {"rollback_failed", EREMOTEIO, 500,
        "The rollback has failed", "check the containers on that host"},

    [CODE_NO_SUCH_HOST] = {"no_such_host", ENOENT, 404,
        "Host not found", NULL},
    [CODE_NO_AGENT] = {"no_agent", ENOENT, 404,
        "No agent serves this host", NULL},
    [CODE_NO_SUCH_AGENT] = {"no_such_agent", ENOENT, 404,
        "Agent not found", NULL},
    [CODE_INVALID_API_KEY] = {"invalid_api_key", ENOKEY, 401,
        "This API key is not valid", "log in with `dockmon login`"},
    [CODE_ROLE_REQUIRED] = {"role_required", EACCES, 403,
        "A higher role is needed", NULL},
    [CODE_WRONG_CREDENTIALS] = {"wrong_credentials", ENOKEY, 401,
        "Invalid username or password", NULL},
    [CODE_WRONG_PASSWORD] = {"wrong_password", ENOKEY, 400,
        "The current password is wrong", NULL},
    [CODE_PASSWORD_CHANGE_REQUIRED] = {"password_change_required", EACCES, 403,
        "The password must be changed first", NULL},
    [CODE_ADDRESS_NOT_ALLOWED] = {"address_not_allowed", EACCES, 403,
        "The API key may not be used from this address", ASK_ADMIN},
    [CODE_FOREIGN_SITE] = {"foreign_site", EACCES, 403,
        "Requests from another site are refused", NULL},
    [CODE_UNKNOWN_SITE] = {"unknown_site", EACCES, 421,
        "This server has another name: the Host of the request is neither that of --public-url or "
        "--trusted-origins of the server, nor in its certificate", NULL},
    [CODE_OUT_OF_SCOPE] = {"out_of_scope", EACCES, 403,
        "Permission denied: this is outside your scope", ASK_ADMIN},

    [CODE_INVALID_REGISTRATION] = {"invalid_registration", EACCES, 403,
        TEXT_INVALID_REGISTRATION, NULL},
    [CODE_TOKEN_INVALID] = {"token_invalid", EACCES, 403,
        TEXT_TOKEN_INVALID, NEW_TOKEN},
    [CODE_TOKEN_EXPIRED] = {"token_expired", EACCES, 403,
        TEXT_TOKEN_EXPIRED, NEW_TOKEN},
    [CODE_TOKEN_USED_UP] = {"token_used_up", EACCES, 403,
        TEXT_TOKEN_USED_UP, NEW_TOKEN},
    [CODE_TOKEN_REVOKED] = {"token_revoked", EACCES, 403,
        TEXT_TOKEN_REVOKED, NEW_TOKEN},
    [CODE_TOKEN_OF_OTHER_ENGINE] = {"token_of_other_engine", EACCES, 403,
        TEXT_TOKEN_OF_OTHER_ENGINE,
        "the token belongs to another engine; " NEW_TOKEN},
    [CODE_ENGINE_REGISTERED] = {"engine_registered", EACCES, 403,
        TEXT_ENGINE_REGISTERED,
        "a known host has this engine id; if it is this one and its data directory was lost, start with a "
        "token of `dockmon token create --replace HOST`, or with a Python server set PERMANENT_TOKEN to "
        "its agent id (`GET /api/agent/list`); if this is a clone of it, set FORCE_UNIQUE_REGISTRATION "
        "and a unique AGENT_NAME"},
    [CODE_ENGINE_IS_LOCAL] = {"engine_is_local", EACCES, 403,
        "This engine is monitored through the local socket", NULL},
    [CODE_HOST_NAME_TAKEN] = {"host_name_taken", EACCES, 403,
        "A host of this name exists already", "set AGENT_NAME to a name that no other host has"},
    [CODE_AGENT_NAME_REQUIRED] = {"agent_name_required", EACCES, 403,
        "FORCE_UNIQUE_REGISTRATION requires AGENT_NAME", "set AGENT_NAME to a unique name"},
    [CODE_TOO_MANY_AGENTS] = {"too_many_agents", EACCES, 403,
        "The server takes no more agents", NULL},
};
/* clang-format on */

static const struct row *get_row(enum error_code code)
{
    static const struct row none = {NULL, 0, 500, TEXT_UNKNOWN_ERROR, NULL};

    assert(code >= 0 && code < ERROR_CODES);
    return code == CODE_NONE ? &none : &rows[code];
}

enum error_code error_code_find(const char *name)
{
    for (size_t i = 1; name && i < ERROR_CODES; i++) {
        if (str_eq(rows[i].name, name))
            return (enum error_code)i;
    }
    return CODE_NONE;
}

enum error_code error_code_from_errno(int code)
{
    for (size_t i = 1; i < ERROR_CODES; i++) {
        if (-rows[i].code == code)
            return (enum error_code)i;
    }
    return CODE_INTERNAL_ERROR;
}

enum error_code error_code_from_status(int status)
{
    for (size_t i = 1; i < ERROR_CODES; i++) {
        if (rows[i].status == status)
            return (enum error_code)i;
    }
    return status >= 400 && status <= 499 ? CODE_BAD_REQUEST : CODE_INTERNAL_ERROR;
}

const char *error_code_name(enum error_code code)
{
    return get_row(code)->name;
}

int error_code_errno(enum error_code code)
{
    return -get_row(code)->code;
}

int error_code_status(enum error_code code)
{
    return get_row(code)->status;
}

const char *error_code_sentence(enum error_code code)
{
    return get_row(code)->sentence;
}

const char *error_code_advice(enum error_code code)
{
    return get_row(code)->advice;
}

int error_code_set(struct error *err, enum error_code code, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return error_code_errno(code);
    va_start(ap, fmt);
    (void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    err->code = error_code_errno(code);
    err->reason = (int)code;
    return err->code;
}

enum error_code error_code_of(const struct error *err)
{
    if (err->code == 0)
        return CODE_NONE;
    return err->reason ? (enum error_code)err->reason : error_code_from_errno(err->code);
}
