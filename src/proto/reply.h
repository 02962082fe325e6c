#pragma once

/*
 * Replies of an agent: bare objects to container operations, "response" envelopes to commands.
 */

#include "proto/command.h"
#include "proto/error_code.h"

#define REPLY_ERROR_PERMISSION "permission_denied"
#define REPLY_ERROR_DOCKER     "docker_error"

/* A failure, reported by an agent. */
struct reply_error {
    const char *text;     /* NULL or "": sent as "unknown error" */
    const char *type;     /* REPLY_ERROR_*, or NULL */
    int status;           /* HTTP status of the engine, 0: none */
    enum error_code code; /* CODE_NONE: not sent, for servers without codes */
};

/*
 * Takes ownership of `fields`: for operations its members become members of the reply, for commands
 * it is the payload (any value; NULL: none). `id` may be NULL; then the server only logs the reply.
 */
json_t *msg_reply_encode(enum command_kind kind, const char *id, json_t *fields, int64_t now_ms)
    _nodiscard_;
json_t *msg_reply_encode_error(enum command_kind kind,
                               const char *id,
                               const struct reply_error *e,
                               int64_t now_ms) _nodiscard_;

/*
 * Returns the code of a failure that an agent reports: the code that it sent, or, if that is
 * missing or unknown, a code derived from type, status and text.
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
     * 0; -EPROTO: unusable; -EACCES: permission_denied; -ENOSYS: the agent does not know the action
     * or command; -EREMOTEIO: any other failure that the agent reports.
     */
    int code;
    /* The reason if code < 0; see reply_failure_code(). */
    enum error_code reason;
    char *error; /* for humans, NULL when code is 0 */
    int status;  /* HTTP status of the engine (404, 409...), or of the reason; 0: unknown */
    /* The payload, else data, else the whole object; borrowed. NULL if code < 0. */
    const json_t *result;
};

/* -EINVAL: there is no correlation ID. Any other message is a reply, possibly with code -EPROTO. */
int msg_reply_decode(const json_t *v, struct msg_reply *ret, struct error *err) _nodiscard_;
void msg_reply_done(struct msg_reply *m);
