#pragma once

/*
 * Shells: shell_session, what the server asks for, and shell_data, what the agent tells. Today's Go agents
 * know start, data, resize and close, and started, data, closed and error; the other actions and fields are ours.
 */

#include "proto/codec.h"

#define SHELL_MAX_OUTPUT 4096                /* bytes of one data event */
#define SHELL_MAX_INPUT  ((size_t)48 * 1024) /* bytes of one data message */
#define SHELL_MAX_WINDOW ((int64_t)1 << 20)

struct msg_shell_session {
    char *session_id;
    char *action;       /* "start", "data", "resize", "close"; ours: "eof", "ack" */
    char *container_id; /* start */
    char *data;         /* data: base64 */
    int64_t cols, rows; /* resize; ours: also start; 0 unknown */
    /* Ours, of start: */
    struct strings cmd; /* empty: a shell */
    struct strings env; /* NAME=value */
    char *user, *workdir;
    bool is_plain; /* "tty": false: stdout and stderr apart, no terminal */
    /* bytes of output that may be under way without an ack; 0: no acks, in neither direction */
    int64_t window;
    int64_t bytes; /* ack: output that the server is done with */
};

int msg_shell_session_decode(const json_t *payload,
                             struct msg_shell_session *ret,
                             struct error *err) _nodiscard_;
void msg_shell_session_done(struct msg_shell_session *m);
/* The whole frame; takes `fields`, which may be NULL. */
json_t *msg_shell_session_encode(const char *session_id, const char *action, json_t *fields)
    _nodiscard_;

struct msg_shell_data {
    char *session_id;
    char *action; /* "started", "data", "closed", "error"; ours: "ack" */
    char *data;   /* data: base64 */
    char *error;
    /* Ours: */
    char *code;        /* error: a name of proto/error_code.h, or NULL */
    char *stream;      /* data without a terminal: "stderr"; else absent */
    int64_t exit_code; /* closed; -1: unknown */
    int64_t bytes;     /* ack: input that the process has taken */
};

int msg_shell_data_decode(const json_t *payload, struct msg_shell_data *ret, struct error *err)
    _nodiscard_;
void msg_shell_data_done(struct msg_shell_data *m);
