#pragma once

/*
 * One operation that changes one container, from the check of its target to the agent's answer.
 * The routes of operations and bulk jobs run it.
 *
 * A name can move to another container at any time, and the live model learns of that later than
 * the engine. So the engine resolves names, and ids that the model does not know; the operation is
 * then sent with the full id. When `done` is called, the model has the state after the operation:
 * an agent that pushes sends it ahead of its reply, another one is asked for its list.
 *
 *   IDENTIFY -name and labels-> PERMIT -allowed-> TURN -its turn-> SEND -reply-> LOOK -listed-> done
 *                                                                   '- delay <- not yet as expected
 *
 * TURN concerns agents that do not order several operations on one container by themselves
 * (turn.h). LOOK concerns agents that are polled. It gives up after a few lists.
 *
 * `done` runs exactly once, perhaps before change_start() has returned, when the model is enough to
 * refuse the operation. A change cannot be cancelled: its owner outlives it.
 */

#include "server/api/call.h"
#include "server/command/command.h"

struct change_result {
    const struct fleet_host *host; /* NULL: deleted in the meantime */
    const char *id;                /* of the container; as it was given, if it was not found */
    const char *name;              /* or NULL */
    enum error_code reason;        /* CODE_NONE: success */
    int status;                    /* of a failure, for HTTP */
    const char *message;           /* of a failure, else "" */
    const char *command_id;        /* the correlation id of the operation; NULL: it was refused */
    uint64_t took_ms;
    const json_t *warnings; /* texts of the engine, an array; or NULL */
    bool was_sent;          /* else it was refused before */
};

struct change_options {
    struct api *api;
    const struct scope *scope; /* outlives the change */
    const struct fleet_host *host;
    const char *ref; /* name, id or part of an id */
    enum operation_id operation;
    json_t *payload; /* without the container; change_start() takes ownership */
    uint64_t timeout_ms;
    void (*done)(void *owner, const struct change_result *r);
    void *owner;
};

void change_start(const struct change_options *o);
/* Ends those that wait to ask for another list: the server has closed. */
void changes_end_waits(struct api *a);
