#pragma once

/*
 * All shells of a session: at most 16. They end with it.
 */

#include "agent/shell/shell.h"

#define SHELLS_MAX 16

struct shells;

struct shells_options {
    struct engine *engine;
    struct exec_killer *killer;
    struct guard *guard;
    struct sender sender;
};

struct shells *shells_new(const struct shells_options *o);
void shells_free(struct shells *ss);  /* ends the processes without a word */
void shells_close(struct shells *ss); /* tells the server that they end; new ones are refused */

/* The payload of a shell_session message. */
void shells_on_message(struct shells *ss, const json_t *payload);
