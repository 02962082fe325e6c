#pragma once

/*
 * Shells: shell_session is sent by the server, shell_data by the agent. Go agents know the actions
 * start, data, resize and close, and started, data, closed and error; the other actions and fields
 * are extensions.
 */

#include "proto/codec.h"

#define SHELL_MAX_OUTPUT 4096                /* bytes of one data event */
#define SHELL_MAX_INPUT  ((size_t)48 * 1024) /* bytes of one data message */
#define SHELL_MAX_COPY   ((size_t)32 * 1024) /* bytes of one data event of a copy */
#define SHELL_MAX_PATH   4096
#define SHELL_MAX_STAT   16384
#define SHELL_MAX_WINDOW ((int64_t)1 << 20)

struct msg_shell_session {
    char *session_id;
    char *action;       /* "start", "data", "resize", "close"; extensions: "eof", "ack" */
    char *container_id; /* start */
    char *data;         /* data: base64 */
    int64_t cols, rows; /* resize; as an extension also start; 0: unknown */
    /* Extensions of start: */
    struct strings cmd; /* empty: a shell */
    struct strings env; /* NAME=value */
    char *user, *workdir;
    bool is_detached; /* "detach": the process outlives the session, which ends with its start */
    bool is_plain;    /* "tty": false: no terminal, stdout and stderr are separate */
    /* Maximum bytes of unacknowledged output; 0: no acks, in neither direction. */
    int64_t window;
    int64_t bytes; /* ack: bytes of output that the server has processed */
    /* start, instead of a process: "stat", "out" or "in"; see docs/protocol.md, "Copies". */
    char *copy;
    char *path;       /* of a copy: in the container, absolute */
    bool keeps_owner; /* of a copy in: files keep the ids of their owners */
};

int msg_shell_session_decode(const json_t *payload,
                             struct msg_shell_session *ret,
                             struct error *err) _nodiscard_;
void msg_shell_session_done(struct msg_shell_session *m);
/* Returns the whole message; takes ownership of `fields`, which may be NULL. */
json_t *msg_shell_session_encode(const char *session_id, const char *action, json_t *fields)
    _nodiscard_;

struct msg_shell_data {
    char *session_id;
    char *action; /* "started", "data", "closed", "error"; extension: "ack" */
    char *data;   /* data: base64 */
    char *error;
    /* Extensions: */
    char *code;        /* error: a name of proto/error_code.h, or NULL */
    char *stream;      /* data without a terminal: "stderr"; else absent */
    int64_t exit_code; /* closed; -1: unknown */
    int64_t bytes;     /* ack: bytes of input that the process has read */
    char *stat;        /* started, of a copy "stat": the engine's description of the path */
};

int msg_shell_data_decode(const json_t *payload, struct msg_shell_data *ret, struct error *err)
    _nodiscard_;
void msg_shell_data_done(struct msg_shell_data *m);
