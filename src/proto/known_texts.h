#pragma once

/*
 * Texts that peers match.
 *
 * DockMon's programs, and our own before they had error codes, decide by the words of each
 * other's messages: a word changed here changes what an agent does after a refusal, or the HTTP
 * status that a server answers with. So these texts are frozen: they are not reworded, translated
 * or spelled better, and a new failure gets a code (proto/error_code.h) instead of a text to
 * match. known_texts_test.c lists them once more, word for word.
 */

/* `auth_error` of DockMon's server and of ours. An agent without codes matches parts of them, in any case. */
#define TEXT_TOKEN_INVALID         "Invalid registration token"
#define TEXT_TOKEN_EXPIRED         "Registration token has expired"
#define TEXT_TOKEN_USED_UP         "Registration token has reached maximum uses"
#define TEXT_TOKEN_REVOKED         "Permanent token has been revoked"
#define TEXT_TOKEN_OF_OTHER_ENGINE "Permanent token does not match engine_id"
#define TEXT_AUTH_TIMEOUT          "Authentication timeout"
#define TEXT_ENGINE_REGISTERED     "Agent with this engine_id is already registered"
#define TEXT_INVALID_REGISTRATION  "Invalid registration data"
#define TEXT_INVALID_AUTH_TYPE     "Invalid authentication type: %s"
#define TEXT_AGENT_NAME_REQUIRED                                                      \
    "FORCE_UNIQUE_REGISTRATION requires AGENT_NAME to be set on the agent (reported " \
    "hostname_source: %s)"
#define TEXT_HOST_NAME_TAKEN                                                           \
    "A host named '%.*s' already exists in DockMon. Set AGENT_NAME to a unique value " \
    "and retry."
#define TEXT_ENGINE_IS_LOCAL                                                                  \
    "Migration not supported for local Docker connections: this engine is already monitored " \
    "through the local socket, agents are only for remote hosts"
#define TEXT_SERVER_BUSY    "server busy"
#define TEXT_INTERNAL_ERROR "Registration failed: internal error"
/* Of servers that refuse fields which they do not know; the name of the field and ")" follow. */
#define TEXT_EXTRA_INPUTS "Extra inputs are not permitted (field: "

/* The parts of `auth_error` texts that tell refusals apart, in any case of letters. */
#define TEXT_PART_TIMEOUT      "timeout"
#define TEXT_PART_REGISTERED   "already registered"
#define TEXT_PART_FORCE_UNIQUE "FORCE_UNIQUE_REGISTRATION"
#define TEXT_PART_NAME_TAKEN   "already exists"
#define TEXT_PART_NAME_UNIQUE  "docker_hosts.name" /* the database's words, from the seed era */
#define TEXT_PART_OTHER_ENGINE "does not match engine_id"
#define TEXT_PART_TOKEN        "token"

/* Replies of an agent that does not know something; the name follows. */
#define TEXT_UNKNOWN_ACTION  "unknown action"
#define TEXT_UNKNOWN_COMMAND "unknown command"
/* A failure that has no text. */
#define TEXT_UNKNOWN_ERROR "unknown error"
