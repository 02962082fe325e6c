#pragma once

/*
 * The shells of a session, at most 16, and its copies, at most 8. They end with it. Handles
 * shell_session messages.
 */

#include "agent/common/guard.h"
#include "agent/common/sender.h"
#include "agent/engine/exec_killer.h"
#include "docker/engine.h"

#define SHELLS_MAX 16
#define COPIES_MAX 8

struct shells;

struct shells_options {
    struct engine *engine;
    struct exec_killer *killer;
    struct guard *guard;
    struct sender sender;
};

struct shells *shells_new(const struct shells_options *o);
/* Ends all shells without notifying the server. */
void shells_free(struct shells *ss);
/* Ends all shells, notifies the server, and refuses new ones. */
void shells_close(struct shells *ss);

/* `payload` is that of a shell_session message. */
void shells_on_message(struct shells *ss, const json_t *payload);
