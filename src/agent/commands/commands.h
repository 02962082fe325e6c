#pragma once

/*
 * Runs what the server asks for. Commands of one container run in the order they came, those of
 * different containers side by side; at most 64 are pending, and each has a deadline. Every command is
 * answered exactly once, unless commands_free() comes first.
 */

#include "agent/common/guard.h"
#include "agent/common/sender.h"
#include "agent/engine/facts.h"
#include "docker/engine.h"
#include "net/completion.h"
#include "proto/command.h"

#define COMMANDS_MAX_PENDING 64
#define COMMANDS_MAX_RUNNING 32

struct commands;

struct commands_options {
    struct loop *loop;
    struct engine *engine;
    struct facts *facts;
    struct guard *guard; /* borrowed, as the others */
    struct sender sender;
};

struct commands *commands_new(const struct commands_options *o);
void commands_free(struct commands *cs); /* cancels what runs, without replies */
DEFINE_CLEANUP(struct commands *, commands_free);

/* Takes the content of `m`. */
void commands_submit(struct commands *cs, struct msg_command *m);

/* New commands are refused from now on; completes once the last pending one is answered. */
void commands_drain(struct commands *cs, struct completion_wait *w, completion_fn fn);
