#pragma once

/*
 * Commands to agents: correlation id -> waiting request. A reply counts only from the agent the command
 * went to; a disconnect fails the pending ones at once; each has a timeout. Lives on the loop.
 */

#include "base/error.h"
#include "net/loop.h"
#include "proto/error_code.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define COMMAND_MAX_PENDING 64 /* per agent unless told otherwise; -ENOBUFS beyond it */

struct commands;

struct command_result {
    int code; /* 0; -ENOTCONN not connected or gone meanwhile; -ETIMEDOUT; -ENOBUFS; -EPROTO unusable reply;
                 -EACCES permission_denied; -ENOSYS unknown to that agent; -EREMOTEIO the agent reports an error */
    enum error_code reason; /* why, when code < 0; never CODE_NONE then */
    const char *message;    /* for humans when code < 0, else "" */
    /* The HTTP status of an -EREMOTEIO: the engine's, else that of the reason, 0 unknown. */
    int engine_status;
    const json_t *reply;  /* the whole reply object; NULL when code < 0 */
    const json_t *result; /* payload, else data, else the whole object; NULL when code < 0 */
    uint64_t took_ms;
};
typedef void (*command_done_fn)(void *owner, const struct command_result *r);

struct command_request {
    const char *agent_id;
    const char *type; /* "container_operation" or "command" */
    const char *name; /* the action, or the command */
    json_t *payload;  /* stolen; for operations without "action", which is added */
    uint64_t timeout_ms;
    bool is_routine;      /* asked again anyway: whoever asks tells of failures, if at all */
    command_done_fn done; /* exactly once, never before command_start() returns */
    void *owner;
};

/* How a message reaches an agent; session/ provides it. Returns 0, -ENOTCONN or -ENOBUFS. */
typedef int (*command_send_fn)(void *owner, const char *agent_id, const char *text, size_t size);

struct commands *commands_new(struct loop *loop, command_send_fn send, void *owner);
void commands_set_max_pending(struct commands *cs, size_t max);

/* For the log: told of every failure but those of routine, before `done`. owner: that of `send`. */
struct command_failure {
    const char *agent_id, *id, *name;
    const char *container; /* "" when it was not about one */
    const struct command_result *result;
};
void commands_on_failure(struct commands *cs,
                         void (*fn)(void *owner, const struct command_failure *f));
void commands_free(struct commands *cs); /* fails what is pending */
void command_start(struct commands *cs, struct command_request *q);

/* A message that is a reply. False: nobody waits for it (unknown id, late, or from the wrong agent). */
bool commands_on_reply(struct commands *cs, const char *agent_id, const json_t *message);
void commands_fail_agent(struct commands *cs, const char *agent_id, const char *why);
