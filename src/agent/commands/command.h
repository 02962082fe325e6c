#pragma once

/*
 * One command of the server: from its arrival to its reply.
 *
 * commands.c owns the commands, keeps them in lists and decides when each starts; command.c
 * carries one out and answers it. The work itself is one operation (operation.h).
 *
 *     command_new       arrived: waits in the queue, its deadline runs
 *     command_run       the policy is checked, the operation starts
 *     end               one reply, then one call of `finished`
 *
 * The deadline runs from the arrival, because the server, which does not know of the queue,
 * counts from there, and a command that the server has given up must not take effect later. At
 * the deadline the command is answered with an error whether it waits or runs, and what it waits
 * for is cancelled.
 *
 * A command can be overtaken by another one of its key (proto/operation_rule.h). The engine then ends
 * a stop early. A restart starts the container again in spite of the kill that has overtaken it, so
 * it kills it once more, and the answer of the other command is held until then:
 *
 *     kill      runs -killed-> held --------------------> answered
 *     restart   runs -restarted-> undoes it -killed-> answered: it was overtaken
 *
 * Ownership: `finished` frees the command with command_free(), as its last use. It is called once,
 * after the reply, from command_run(), from the operation's `done` or from the deadline; these
 * must not touch the command afterwards. commands.c may also free a command earlier, without a
 * reply. command.c never frees one.
 */

#include "agent/commands/operations.h"
#include "agent/common/sender.h"
#include "base/list.h"

struct command;

struct command_options {
    struct engine *engine; /* outlives the commands, as does all that is borrowed here */
    struct facts *facts;
    struct guard *guard;
    struct network_undo *network_undo;
    struct updates *updates;
    struct self_update *self_update;
    struct inventory *const *inventory;
    const struct sender *sender;
    /* Whether an operation that `c` has overtaken is still running. */
    bool (*must_hold)(void *owner, const struct command *c);
    void (*finished)(void *owner, struct command *c); /* it was answered */
    void *owner;
};

struct command {
    const struct command_options *o;
    struct list link; /* the owner's */
    struct msg_command msg;
    const struct agent_operation *row;
    char *key; /* commands of one key run in order; NULL: at any time */
    bool is_running;
    uint64_t due_ms; /* when the deadline passes, on the monotonic clock */
    struct loop_timer deadline;
    struct operation *operation;    /* while it is carried out, else NULL */
    enum operation_id overtaken_by; /* OPERATION_NONE: it is not */
    bool is_undoing;                /* `operation` is the second kill */
    struct msg_command undo;        /* its message */
    bool is_held;                   /* it has succeeded; `held` is the answer */
    json_t *held;
};

/* -EINVAL: the arguments do not fit the operation; `err` says why. */
int command_check_args(enum operation_id id, const struct command_args *args, struct error *err)
    _nodiscard_;

/* Takes the content of `m`, whose operation is one of agent_operation(); its deadline begins. */
struct command *command_new(const struct command_options *o, struct msg_command *m);
void command_free(struct command *c);

void command_run(struct command *c); /* c may be gone afterwards */
/* Answers a command that is held; c is freed */
void command_release(struct command *c);
/* Answers a command that has not started: `running` is in progress. c is freed */
void command_refuse_running(struct command *c, enum operation_id running);
