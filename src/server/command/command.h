#pragma once

/*
 * A command is one operation that an agent is asked for, until its reply. Lives on the loop.
 *
 *   NEW ----> WAITING ----> DONE     a reply, the timeout, or the agent has disconnected
 *    `------> REFUSED ------^        it could not be sent; reported from the loop
 *
 * command_start() gives the command a random correlation id, sends it, and stores it by that id.
 * The command ends in exactly one call of `done`: with the reply, at its timeout, when the agent
 * disconnects (commands_fail_agent) or when commands_free() ends all. `done` never runs before
 * command_start() has returned, not even when nothing could be sent. A reply counts only from the
 * agent that was asked. After a timeout or a disconnect it is unknown whether the operation was
 * done.
 *
 * RETRYING, between two times WAITING: a command that only reads, with `may_retry`, whose reply was
 * cut by the end of the connection or cannot be read, is sent again after 1 s and 2 s, each by a
 * factor of 0.5 to 1.5: three times in all, within its timeout, and not to an agent that is not
 * connected then. Each agent has a breaker (breaker.h), which refuses commands other than routine
 * ones while it is open.
 *
 * Ownership: the command is freed after `done` has returned. It cannot be cancelled, so its owner
 * must outlive it, or hold an id and look the object up. `done` may start new commands, of the same
 * agent, too. The result is borrowed for the call of `done`.
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
    const char *id; /* the correlation id, as in the log */
    /*
     * 0; -ENOTCONN: not connected, or disconnected meanwhile; -ETIMEDOUT; -ENOBUFS: too many
     * commands wait; -ECONNREFUSED: the breaker of the agent is open; -EPROTO: invalid reply;
     * -EACCES: refused by the agent's policy; -ENOSYS: unknown to that agent; -EREMOTEIO: the
     * agent has reported an error.
     */
    int code;
    enum error_code reason; /* of a failure, then never CODE_NONE */
    const char *message;    /* of a failure, for users; else "" */
    /* The HTTP status of an -EREMOTEIO: the engine's, else that of the reason; 0: unknown. */
    int engine_status;
    const json_t *reply;  /* the whole reply object; NULL when code < 0 */
    const json_t *result; /* payload, else data, else the whole object; NULL when code < 0 */
    uint64_t took_ms;
};
typedef void (*command_done_fn)(void *owner, const struct command_result *r);

struct command_request {
    const char *agent_id;
    enum operation_id operation;
    json_t *payload; /* command_start() takes ownership; NULL: empty */
    uint64_t timeout_ms;
    bool is_routine;      /* repeated regularly: on_failure() is not called, and no breaker asked */
    bool may_retry;       /* see above; ignored for operations that change something */
    command_done_fn done; /* called exactly once, never before command_start() has returned */
    void *owner;
};

/* Sends a message to an agent; session/ provides it. Returns 0, -ENOTCONN or -ENOBUFS. */
typedef int (*command_send_fn)(void *owner, const char *agent_id, const char *text, size_t size);

struct commands *commands_new(struct loop *loop, command_send_fn send, void *owner);
void commands_set_max_awaited(struct commands *cs, size_t max); /* replies per agent */

/* Each failure, except those of routine commands, is reported for the log before `done`. */
struct command_failure {
    const char *agent_id, *id, *name;
    const char *container; /* "": the operation is not on a container */
    const struct command_result *result;
};
/* The breaker of an agent: "closed", "open" or "half_open". */
const char *commands_circuit(struct commands *cs, const char *agent_id);
void commands_on_failure(struct commands *cs,
                         void (*fn)(void *owner, const struct command_failure *f));
/*
 * Called once when the breaker of an agent opens, and once when it is closed again: not for the
 * failed attempts in between.
 */
typedef void (*command_circuit_fn)(void *owner,
                                   const char *agent_id,
                                   bool is_open,
                                   const char *why);
void commands_on_circuit(struct commands *cs, command_circuit_fn fn);
void commands_free(struct commands *cs); /* fails pending commands; their owners must still exist */
void command_start(struct commands *cs, struct command_request *q);

/* Handles a reply. False: no command waits for it (unknown id, late, or from the wrong agent). */
bool commands_on_reply(struct commands *cs, const char *agent_id, const json_t *message);
/*
 * The connection has ended: fails all commands that wait for this agent, with -ENOTCONN, but for
 * those that are tried again, and closes its breaker.
 */
void commands_fail_agent(struct commands *cs, const char *agent_id, const char *why);
