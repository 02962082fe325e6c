#pragma once

/*
 * The queue of commands. It runs what the server asks for: what only reads, and commands on
 * different containers, side by side; changes of one container by the rules of
 * proto/operation_rule.h. Every command is answered exactly once, unless commands_free() comes
 * first. command.h has the life of one command.
 */

#include "agent/common/guard.h"
#include "agent/common/sender.h"
#include "agent/engine/facts.h"
#include "agent/engine/network_undo.h"
#include "docker/engine.h"
#include "net/completion.h"
#include "proto/command.h"

#define COMMANDS_MAX_ACCEPTED 64 /* not answered yet; a server waits for as many replies */
#define COMMANDS_MAX_RUNNING  32 /* of those that change containers */

struct commands;

struct commands_options {
    struct loop *loop;
    struct engine *engine;
    struct facts *facts;
    struct guard *guard;                /* borrowed, like the others */
    struct network_undo *network_undo;  /* or NULL */
    struct updates *updates;            /* the same */
    struct self_update *self_update;    /* the same */
    struct inventory *const *inventory; /* may point to NULL, see operation.h */
    struct sender sender;
};

struct commands *commands_new(const struct commands_options *o);
void commands_free(struct commands *cs); /* cancels what runs, without replies */
DEFINE_CLEANUP(struct commands *, commands_free);

/* Takes the content of `m`. */
void commands_submit(struct commands *cs, struct msg_command *m);

/* New commands are refused from now on; completes once the last pending one is answered. */
void commands_drain(struct commands *cs, struct completion_wait *w, completion_fn fn);
