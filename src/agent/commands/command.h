#pragma once

/*
 * One command: what it needs while it runs, and the table of everything the agent can do. commands.c owns
 * it and decides when it starts; command.c carries it out.
 */

#include "agent/commands/resource.h"
#include "agent/common/guard.h"
#include "agent/common/sender.h"
#include "agent/engine/container_list.h"
#include "agent/logs/fetch.h"
#include "base/list.h"
#include "docker/engine_info.h"

struct commands;

struct command {
    struct commands *owner;
    struct list link;
    struct msg_command msg;
    const struct action *action;
    char *target; /* the container to act on: as the server says, then the full id */
    char *key;    /* commands of one key run in order; NULL: any time */
    bool is_running;
    uint64_t due_ms; /* when the deadline passes */
    struct loop_timer deadline;
    struct engine *engine;
    struct facts *facts;
    struct guard *guard;
    const struct sender *sender;
    /* What it waits for: at most one of these. */
    struct engine_call *call;
    struct engine_info_call *info;
    struct container_list *list;
    struct log_fetch *logs;
    struct resource *resource;
};

/* NULL when the agent does not know it. */
const struct action *action_find(enum command_kind kind, const char *name);
bool action_needs_container(const struct action *action);
/* What is wrong with the arguments, or NULL. */
const char *action_find_fault(const struct action *action, const struct command_args *args);
const char *action_name(size_t i); /* of the i-th action or command; NULL after the last */

uint64_t command_deadline_ms(const struct command *c);

/*
 * Its deadline begins when it arrives: the server, which does not know of the queue, waits from there on, and
 * what it has given up must not happen later.
 */
void command_arm(struct command *c);
/* Starts it. It ends with one reply and one call of command_finished(), perhaps before this returns. */
void command_run(struct command *c);
/* Stops what it waits for and answers with an error; then command_finished(). */
void command_fail(struct command *c, const struct reply_error *e);
void command_cancel_work(struct command *c);

/* In commands.c: the command was answered and may go. */
void command_finished(struct command *c);
