#pragma once

/*
 * Replies of an agent: bare objects to container operations, "response" envelopes to commands.
 */

#include "proto/command.h"
#include "proto/error_code.h"

#define REPLY_ERROR_PERMISSION "permission_denied"
#define REPLY_ERROR_DOCKER     "docker_error"

/* An agent's account of a failure. */
struct reply_error {
    const char *text;     /* NULL or "" becomes "unknown error": a failure always has a text */
    const char *type;     /* REPLY_ERROR_*, or NULL */
    int status;           /* HTTP status of the engine, 0: none */
    enum error_code code; /* CODE_NONE: not sent, because the server knows no codes */
};

/*
 * `fields` is taken; for operations its members become members of the reply, for commands it is the
 * payload (any value; NULL none). `id` may be NULL: the server then cannot match it, but is told.
 */
json_t *msg_reply_encode(enum command_kind kind, const char *id, json_t *fields, int64_t now_ms)
    _nodiscard_;
json_t *msg_reply_encode_error(enum command_kind kind,
                               const char *id,
                               const struct reply_error *e,
                               int64_t now_ms) _nodiscard_;

/*
 * The code of a failure that an agent reports: the one it sent; without one, or with one that this server does not
 * know, what type, status and words amount to.
 */
struct reply_failure {
    const char *code, *type; /* NULL: none */
    int status;              /* 0: none */
    const char *text;
};
enum error_code reply_failure_code(const struct reply_failure *f);

struct msg_reply {
    char *id;
    /*
     * 0; -EPROTO unusable; -EACCES permission_denied; -ENOSYS the agent does not know the action or
     * command; -EREMOTEIO any other failure that the agent reports.
     */
    int code;
    /* Why, when code < 0: the code that the agent sent, else what type, status and words amount to. */
    enum error_code reason;
    char *error; /* for humans, NULL when code is 0 */
    int status;  /* what the engine answered (404, 409 ...), else that of the reason; 0 unknown */
    const json_t
        *result; /* payload, else data, else the whole object; borrowed; NULL when code < 0 */
};

/* -EINVAL when there is no correlation id to go by. Anything else is an answer, if perhaps -EPROTO. */
int msg_reply_decode(const json_t *v, struct msg_reply *ret, struct error *err) _nodiscard_;
void msg_reply_done(struct msg_reply *m);
