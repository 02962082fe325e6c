#pragma once

/*
 * Operations of the agent: everything that a server can ask an agent to do, one row each.
 *
 * The table of operation.c is the only list of their names. Both sides are fed from it:
 *
 *   agent    commands/operations.h is the agent's half, indexed by enum operation_id: what an
 *            operation needs, how it is carried out, its deadline. common/policy.c takes class and
 *            word from here, join/identity.c the capabilities.
 *   server   command/ takes message and name; api/operations.c, api/bulk.c and api/resources.c
 *            take arguments and flags; tests compare role and effect with the routes, and the
 *            errors with the description of the API.
 *   cli      operate.c takes name, arguments and flags.
 *
 * A new operation is a row here, one in the agent's half and, if users may ask for it, a route and
 * a verb of the CLI. Tests of each consumer walk the table and name the row that is missing.
 *
 * Terms: an operation is carried by one of two messages, its kind: a "container_operation", which
 * names it as its action, or a "command". The shell has messages of its own. A word stands for an
 * operation in AGENT_POLICY and in labels; several operations can share one, because their names
 * differ between eras of the protocol. Names, words and capabilities are part of the protocol
 * (docs/protocol.md, docs/policy.md) and never change.
 */

#include "proto/error_code.h"
#include "proto/role.h"
#include <stdbool.h>

#define CONTAINER_OPERATIONS_CAPABILITY "container_operations"
#define PAUSE_CAPABILITY                "pause"
/* top and diff */
#define PROCESSES_CAPABILITY "top_diff"
/* shell_session knows "copy"; agents without it would open a shell. */
#define COPY_CAPABILITY       "copy"
#define DISK_USAGE_CAPABILITY "disk_usage"
/* kill knows "signal"; agents without it ignore the member and send SIGKILL. */
#define SIGNALS_CAPABILITY "kill_signal"
/* Prune operations know "dangling", "anonymous" and "dry_run"; agents without it ignore them. */
#define PRUNE_OPTIONS_CAPABILITY "prune_options"
/* Of agents that protect the container that they run in: by its id, which is known to them only. */
#define OWN_CONTAINER_CAPABILITY "own_container"
#define IN_CONTAINER_CAPABILITY  "in_container" /* a fact rather than a feature */
/* The agent knows `details`, `streams` and `until_exit` of logs. */
#define LOG_OPTIONS_CAPABILITY "log_options"
/* The agent knows `detach` of shells. */
#define EXEC_DETACH_CAPABILITY "exec_detach"
#define RESOURCES_CAPABILITY   "resources"
#define LIMITS_CAPABILITY      "set_limits"
/* Updates with a journal, previews and rollbacks; see update.h. */
#define UPDATES_CAPABILITY "updates"
/* Self-updates with signed programs. DockMon's "self_update" means something else. */
#define SELF_UPDATE_CAPABILITY  "signed_self_update"
#define SHELL_ACCESS_CAPABILITY "shell_access"
#define TOKEN_ROTATE_CAPABILITY "token_rotate"

#define OPERATION_DEFAULT_STOP_S 10  /* of TAKES_TIMEOUT, when the user names none */
#define OPERATION_MAX_STOP_S     600 /* the longest that users can ask for */

enum operation_id {
    OPERATION_NONE, /* no operation; has no row */

    OPERATION_START,
    OPERATION_STOP,
    OPERATION_RESTART,
    OPERATION_KILL,
    OPERATION_PAUSE,
    OPERATION_UNPAUSE,
    OPERATION_RENAME,
    OPERATION_SET_LIMITS,
    OPERATION_REMOVE,
    OPERATION_GET_LOGS,
    OPERATION_INSPECT,
    OPERATION_TOP,
    OPERATION_DIFF,

    OPERATION_PING,
    OPERATION_GET_SYSTEM_INFO,
    OPERATION_LIST_CONTAINERS,
    OPERATION_START_CONTAINER,
    OPERATION_STOP_CONTAINER,
    OPERATION_RESTART_CONTAINER,
    OPERATION_DELETE_CONTAINER,
    OPERATION_CONTAINER_LOGS,
    OPERATION_LIST_IMAGES,
    OPERATION_REMOVE_IMAGE,
    OPERATION_PRUNE_IMAGES,
    OPERATION_LIST_NETWORKS,
    OPERATION_CREATE_NETWORK,
    OPERATION_DELETE_NETWORK,
    OPERATION_PRUNE_NETWORKS,
    OPERATION_LIST_VOLUMES,
    OPERATION_CREATE_VOLUME,
    OPERATION_DELETE_VOLUME,
    OPERATION_PRUNE_VOLUMES,
    OPERATION_DISK_USAGE,
    OPERATION_UPDATE_PREVIEW,
    OPERATION_UPDATE_CONTAINER,
    OPERATION_UPDATE_ROLLBACK,
    OPERATION_UPDATE_CANCEL,
    OPERATION_UPDATE_LIST,
    OPERATION_SELF_UPDATE,
    OPERATION_TOKEN_ROTATE,

    OPERATION_SHELL,
    OPERATION_COPY,

    OPERATIONS /* one more than the last */
};

/* The message that carries it. */
enum command_kind {
    COMMAND_KIND_OPERATION, /* "container_operation", named by its action */
    COMMAND_KIND_COMMAND,   /* "command", named by its command */
    COMMAND_KIND_NONE,      /* neither: messages of its own */
};

/* Which policies of a host allow it. */
enum policy_class {
    POLICY_BASIC,   /* all: the link depends on it */
    POLICY_READ,    /* "observe" and more */
    POLICY_OPERATE, /* "operate" and more: start, stop and other changes that can be undone */
    POLICY_FULL,    /* "full": removing, renaming, shells, images, networks, volumes */
};

/* The first agents that know it. */
enum operation_era {
    ERA_SEED,  /* DockMon 2.1 and 2.2 */
    ERA_TODAY, /* DockMon 2.4 */
    ERA_OURS,  /* agents of this project only; the capability of the row tells them from others */
};

enum operation_effect {
    EFFECT_READS,   /* nothing is changed */
    EFFECT_CHANGES, /* something is changed or created */
    EFFECT_ENDS,    /* processes are ended, or objects deleted */
};

/* Arguments: members of the payload. */
enum {
    TAKES_CONTAINER = 1 << 0, /* container_id, required */
    TAKES_TIMEOUT = 1 << 1,   /* timeout: seconds until a stop becomes a kill */
    TAKES_REMOVAL = 1 << 2,   /* force, volumes */
    TAKES_NEW_NAME = 1 << 3,  /* new_name, required */
    TAKES_LOG_RANGE = 1 << 4, /* tail, since, until */
    TAKES_RESOURCE = 1 << 5,  /* the fields in resource_args.c, if any */
    TAKES_TOKEN = 1 << 6,     /* permanent_token */
    TAKES_SIGNAL = 1 << 7,    /* signal; absent: SIGKILL */
    TAKES_UPDATE = 1 << 8,    /* the fields in update.c */
    TAKES_LIMITS = 1 << 9,    /* limits, required: the members in limits.c */
    TAKES_PROGRAM = 1 << 10,  /* the fields in self_update.c */
};

/* How a server treats it. */
enum {
    IS_BULK = 1 << 0,      /* can be asked for many containers at once */
    SPARES_OWN = 1 << 1,   /* is refused for the containers of DockMon itself */
    IS_WEBSOCKET = 1 << 2, /* users ask for it by a WebSocket, not by a route */
};

struct operation_spec {
    const char *name;       /* as the messages say it */
    enum command_kind kind; /* the message that carries it */
    const char *word;       /* in policies and labels; NULL: it is no matter of policy */
    enum policy_class class;
    const char
        *capability; /* the key of `register` that announces it; NULL: every agent knows it */
    enum operation_era era;
    enum role role; /* the least role that may ask for it; ROLE_NONE: no user does */
    enum operation_effect effect;
    unsigned arguments; /* TAKES_... */
    unsigned flags;
    /*
     * The failures that the engine reports of this operation, beside those of any operation
     * (policy_denied, timeout, engine_error ...). Ends with CODE_NONE.
     */
    const enum error_code *errors;
};

/* The row of an operation; never of OPERATION_NONE. */
const struct operation_spec *operation_spec(enum operation_id id);

/* OPERATION_NONE when the message names none that we know. */
enum operation_id operation_find(enum command_kind kind, const char *name);

/* Whether an operation needs an agent with this capability. */
bool operation_uses_capability(const char *capability);

#define operation_foreach(id) \
    for (enum operation_id id = OPERATION_NONE + 1; (id) < OPERATIONS; (id)++)
