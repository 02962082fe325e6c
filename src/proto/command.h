#pragma once

/*
 * container_operation and command: the messages by which a server asks an agent for an operation.
 * Both eras are read: fields in the payload or at top level, the correlation id in any of three
 * places, numbers as integers or floats.
 */

#include "proto/codec.h"
#include "proto/operation.h"

#define COMMAND_DEFAULT_TIMEOUT_S 10
#define COMMAND_DEFAULT_TAIL      100
#define COMMAND_MAX_TAIL          10000

/* Arguments of the operations on containers; absent fields hold their defaults. */
struct command_args {
    char *container_id; /* 12 or 64 hex digits, or a name; not checked here */
    int64_t timeout_s;  /* "timeout": stop, restart; -1 waits for ever */
    bool force;         /* remove */
    bool volumes;       /* remove: anonymous volumes, too */
    int64_t tail; /* get_logs, 0 to COMMAND_MAX_TAIL; "all" and negative numbers give the maximum */
    char *since, *until; /* get_logs: RFC 3339 or unix seconds; NULL open */
    char *new_name;      /* rename */
};

struct msg_command {
    enum command_kind kind;
    enum operation_id operation; /* OPERATION_NONE when the name is unknown */
    char *id;                    /* correlation id, NULL when the server sent none */
    char *name;                  /* the action or command, "" when there is none */
    struct command_args args;
    /* All fields as they came: an object or, in an unusual request, any value or NULL. */
    json_t *payload;
};

/*
 * -ENOMSG when the message is neither of the two. -EINVAL when it is malformed: then `ret` still
 * holds kind, id and name as far as they could be read, so that the agent can answer, and must be
 * done, too.
 */
int msg_command_decode(const json_t *v, struct msg_command *ret, struct error *err) _nodiscard_;
void msg_command_done(struct msg_command *m);

/*
 * The frame that agents of both eras can answer: id and correlation_id at top level, and for
 * operations action and correlation_id inside the payload as well. `payload` is copied (shallow);
 * NULL for none.
 */
json_t *msg_command_encode(enum command_kind kind,
                           const char *id,
                           const char *name,
                           const json_t *payload) _nodiscard_;
/* The payload that carries these arguments; fields at their default are left out. */
json_t *command_args_encode(const struct command_args *a) _nodiscard_;
#define COMMAND_ARGS_INIT \
    ((struct command_args){.timeout_s = COMMAND_DEFAULT_TIMEOUT_S, .tail = COMMAND_DEFAULT_TAIL})
