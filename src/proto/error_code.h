#pragma once

/*
 * Error codes: the one vocabulary of failures between agent, server and clients.
 *
 * A failure has a text for humans and a code for programs. The code is sent by name
 * ("no_such_container"): in replies, `auth_error`, `shell_data` and `log_data` between DockMon
 * peers that negotiated it (ERROR_CODES_CAPABILITY), and in the bodies of REST errors. Programs
 * match texts only for peers without codes; known_texts.h and reply.c contain these texts.
 *
 * error_code.c has one row per code: its name, the errno that C functions return for it, the HTTP
 * status, a default text, and advice for the user. The general codes come first, one per errno and
 * HTTP status, for failures that need no further distinction. A new code is appended to its group,
 * to the table, and to docs/protocol.md. Names never change; a peer that does not know a name uses
 * the text and the status.
 */

#include "base/error.h"

/* The capability in register and auth_success of a peer that supports codes. */
#define ERROR_CODES_CAPABILITY "error_codes"

enum error_code {
    CODE_NONE, /* no failure, or a failure of a peer without codes */

    /* General. The first code of an errno or HTTP status represents it. */
    CODE_INTERNAL_ERROR,
    CODE_BAD_REQUEST,
    CODE_INVALID_ARGUMENT,
    CODE_INVALID_VALUE,
    CODE_NOT_AUTHENTICATED,
    CODE_PERMISSION_DENIED,
    CODE_NOT_FOUND,
    CODE_METHOD_NOT_ALLOWED,
    CODE_CONFLICT,
    CODE_ALREADY_EXISTS,
    CODE_TOO_LARGE,
    CODE_RATE_LIMITED,
    CODE_NOT_SUPPORTED,
    CODE_BAD_REPLY,
    CODE_UNAVAILABLE,
    CODE_BUSY,
    CODE_HOST_OFFLINE,
    CODE_STORAGE_FULL,
    CODE_STORAGE_READ_ONLY,
    CODE_TIMEOUT,

    /* Objects of the engine, and their state. */
    CODE_NO_SUCH_CONTAINER,
    CODE_NO_SUCH_IMAGE,
    CODE_NO_SUCH_NETWORK,
    CODE_NO_SUCH_VOLUME,
    CODE_AMBIGUOUS_CONTAINER,
    CODE_NAME_IN_USE,
    CODE_IN_USE,
    CODE_CONTAINER_RUNNING,
    CODE_CONTAINER_NOT_RUNNING,
    CODE_CONTAINER_PAUSED,
    CODE_CONTAINER_NOT_PAUSED,
    CODE_BUILT_IN_NETWORK,
    CODE_OWN_CONTAINER,
    CODE_OPERATION_IN_PROGRESS,
    CODE_OPERATION_OVERTAKEN,
    CODE_CONTAINER_BUSY,

    /* The agent and its engine. */
    CODE_POLICY_DENIED,
    CODE_UNKNOWN_OPERATION,
    CODE_ENGINE_ERROR,
    CODE_ENGINE_UNREACHABLE,
    CODE_AGENT_STOPPING,
    CODE_TOO_MANY_COMMANDS,
    CODE_REPLY_TOO_LARGE,
    CODE_ENGINE_REFUSED,
    CODE_CIRCUIT_OPEN,

    /* Updates of containers: refusals, and reasons why one failed. */
    CODE_NO_SUCH_UPDATE,
    CODE_UPDATE_IN_PROGRESS,
    CODE_PREVIEW_STALE,
    CODE_UPDATE_LOCKED,
    CODE_UPDATE_REFUSED,
    CODE_UPDATE_BLOCKED,
    CODE_UPDATE_TOO_LATE,
    CODE_CONSENT_REQUIRED,
    CODE_DEPENDENCY_CYCLE,
    CODE_TOO_MANY_UPDATES,
    CODE_PULL_FAILED,
    CODE_NOT_HEALTHY,
    CODE_SETTINGS_LOST,
    CODE_ROLLBACK_FAILED,

    /* The server's objects and users. */
    CODE_NO_SUCH_HOST,
    CODE_NO_AGENT,
    CODE_NO_SUCH_AGENT,
    CODE_WRONG_CREDENTIALS,
    CODE_INVALID_API_KEY,
    CODE_ROLE_REQUIRED,
    CODE_WRONG_PASSWORD,
    CODE_PASSWORD_CHANGE_REQUIRED,
    CODE_ADDRESS_NOT_ALLOWED,
    CODE_FOREIGN_SITE,
    CODE_UNKNOWN_SITE,
    CODE_OUT_OF_SCOPE,

    /* Refusals of `register`. */
    CODE_INVALID_REGISTRATION,
    CODE_TOKEN_INVALID,
    CODE_TOKEN_EXPIRED,
    CODE_TOKEN_USED_UP,
    CODE_TOKEN_REVOKED,
    CODE_TOKEN_OF_OTHER_ENGINE,
    CODE_ENGINE_REGISTERED,
    CODE_ENGINE_IS_LOCAL,
    CODE_HOST_NAME_TAKEN,
    CODE_AGENT_NAME_REQUIRED,
    CODE_TOO_MANY_AGENTS,

    ERROR_CODES
};

/* CODE_NONE: the name is NULL or unknown. */
enum error_code error_code_find(const char *name);
/*
 * The general code of a negative errno, or of an HTTP status of 400 and above; CODE_INTERNAL_ERROR
 * for others.
 */
enum error_code error_code_from_errno(int code);
enum error_code error_code_from_status(int status);

/* NULL for CODE_NONE. */
const char *error_code_name(enum error_code code);
int error_code_errno(enum error_code code);  /* negative; 0 for CODE_NONE */
int error_code_status(enum error_code code); /* 400 to 599; 500 for CODE_NONE */
/* The default text, without a full stop. */
const char *error_code_sentence(enum error_code code);
/* Advice for the user, to be appended to a text after "; "; NULL: none. */
const char *error_code_advice(enum error_code code);

/* Fills `err` like error_set(), and stores the code in it. Returns the errno of the code. */
int error_code_set(struct error *err, enum error_code code, const char *fmt, ...) _printf_(3, 4);
/* The stored code, or the general code of the errno; CODE_NONE: no failure. */
enum error_code error_code_of(const struct error *err);
