#pragma once

/*
 * container_operation and command: the messages with which a server requests an operation of an
 * agent. The forms of all known servers are accepted: fields in the payload or at top level, the
 * correlation ID in any of three places, numbers as integers or floats.
 */

#include "proto/codec.h"
#include "proto/operation.h"

#define COMMAND_DEFAULT_TIMEOUT_S 10
#define COMMAND_DEFAULT_TAIL      100
#define COMMAND_MAX_TAIL          10000
#define COMMAND_MAX_SIGNAL        64
#define COMMAND_MAX_SIGNAL_SIZE   16

/* Arguments of the operations on containers; absent fields have their defaults. */
struct command_args {
    char *container_id; /* 12 or 64 hex digits, or a name; not checked here */
    int64_t timeout_s;  /* "timeout": stop, restart; -1: no timeout */
    bool force;         /* remove */
    bool volumes;       /* remove: anonymous volumes, too */
    int64_t tail; /* get_logs, 0 to COMMAND_MAX_TAIL; "all" and negative numbers give the maximum */
    char *since, *until; /* get_logs: RFC 3339 or unix seconds; NULL: no limit */
    bool has_details;    /* get_logs: "details", the attributes of the engine before each text */
    bool has_streams;    /* get_logs: "streams", answer which line came from stderr */
    char *new_name;      /* rename */
    json_t *limits;      /* set_limits: checked by limits_check(); NULL: absent */
    char *signal;        /* kill: a name or number of command_is_signal(); NULL: SIGKILL */
};

/* Whether `s` has the form of a signal: "HUP", "SIGRTMIN+3" or "1". */
bool command_is_signal(const char *s);
/* False: the signal is SIGKILL, or NULL, which stands for it. */
bool command_is_mild_signal(const char *signal);

struct msg_command {
    enum command_kind kind;
    enum operation_id operation; /* OPERATION_NONE when the name is unknown */
    char *id;                    /* correlation id, NULL when the server sent none */
    char *name;                  /* the action or command, "" when there is none */
    struct command_args args;
    /* All fields, unchanged: normally an object, but it may be any value or NULL. */
    json_t *payload;
};

/*
 * -ENOMSG: the message is neither of the two. -EINVAL: it is malformed; then kind, id and name are
 * set as far as they could be read, so that the agent can answer. Call msg_command_done() in any
 * case.
 */
int msg_command_decode(const json_t *v, struct msg_command *ret, struct error *err) _nodiscard_;
void msg_command_done(struct msg_command *m);

/*
 * Encodes a message that all known agents can answer: with id and correlation_id at top level, and
 * for operations also action and correlation_id inside the payload. `payload` is copied (shallow);
 * NULL: none.
 */
json_t *msg_command_encode(enum command_kind kind,
                           const char *id,
                           const char *name,
                           const json_t *payload) _nodiscard_;
/* Returns a payload with these arguments; fields with their default are omitted. */
json_t *command_args_encode(const struct command_args *a) _nodiscard_;
#define COMMAND_ARGS_INIT \
    ((struct command_args){.timeout_s = COMMAND_DEFAULT_TIMEOUT_S, .tail = COMMAND_DEFAULT_TAIL})
