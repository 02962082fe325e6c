#pragma once

/*
 * Commands that wait for the reply of an agent.
 *
 * command_start() gives an operation a random correlation id, sends it and remembers it by that id.
 * It ends in exactly one call of `done`: with the reply, at its timeout, when the agent disconnects
 * (commands_fail_agent) or when commands_free() ends all. `done` never runs before command_start()
 * has returned, also not when nothing could be sent. A reply counts only from the agent that the
 * command went to. After `done` the command is gone; a command cannot be cancelled, so its owner
 * must outlive it.
 *
 *     NEW ----> WAITING ----> DONE     a reply, the timeout, or the agent is gone
 *      `------> REFUSED ------^        it could not be sent; reported from the loop
 *
 * `done` may start new commands, of the same agent, too. Everything runs on the loop.
 */

#include "base/error.h"
#include "net/loop.h"
#include "proto/error_code.h"
#include "proto/operation.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define COMMANDS_MAX_AWAITED 64 /* replies of one agent, by default; -ENOBUFS beyond it */

struct commands;

struct command_result {
    /*
     * 0; -ENOTCONN not connected or disconnected meanwhile; -ETIMEDOUT; -ENOBUFS; -EPROTO unusable
     * reply; -EACCES permission_denied; -ENOSYS unknown to that agent; -EREMOTEIO the agent reports
     * an error.
     */
    int code;
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
    enum operation_id operation;
    json_t *payload; /* taken; NULL: empty */
    uint64_t timeout_ms;
    bool is_routine;      /* it is repeated anyway: on_failure() does not run */
    command_done_fn done; /* exactly once, never before command_start() returns */
    void *owner;
};

/* Sends a message to an agent; session/ provides it. Returns 0, -ENOTCONN or -ENOBUFS. */
typedef int (*command_send_fn)(void *owner, const char *agent_id, const char *text, size_t size);

struct commands *commands_new(struct loop *loop, command_send_fn send, void *owner);
void commands_set_max_awaited(struct commands *cs, size_t max);

/*
 * For the log: reports each failure, except of routine commands, before `done`; owner as for
 * `send`.
 */
struct command_failure {
    const char *agent_id, *id, *name;
    const char *container; /* "" when the operation is not on a container */
    const struct command_result *result;
};
void commands_on_failure(struct commands *cs,
                         void (*fn)(void *owner, const struct command_failure *f));
void commands_free(struct commands *cs); /* fails those that still wait */
void command_start(struct commands *cs, struct command_request *q);

/* Takes a reply. False: no command waits for it (unknown id, late, or from the wrong agent). */
bool commands_on_reply(struct commands *cs, const char *agent_id, const json_t *message);
/* Fails all commands to that agent. */
void commands_fail_agent(struct commands *cs, const char *agent_id, const char *why);
