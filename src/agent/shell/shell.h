#pragma once

/*
 * One process in a container (an exec), with its input and output on the wire: shell_session and shell_data
 * of docs/protocol.md. Output goes in pieces of 4 KiB, as far as the server's window and the link allow; until
 * then the engine is not read. Input that comes before the process runs is kept, up to a maximum.
 */

#include "agent/common/guard.h"
#include "agent/common/sender.h"
#include "agent/engine/exec_killer.h"
#include "base/list.h"
#include "docker/engine.h"
#include "proto/shell.h"

struct shell;

struct shell_options {
    struct engine *engine;
    struct exec_killer *killer;
    struct guard *guard; /* of which the policy was asked already */
    const struct sender *sender;
    /* It has said its last word (closed or error); shell_free() comes from here. */
    void (*done)(void *owner, struct shell *shell);
    void *owner;
};

/* `start` is checked and copied. */
struct shell *shell_new(const struct shell_options *o, const struct msg_shell_session *start);
void shell_free(struct shell *s); /* ends the process, if it runs, without a word to the server */

const char *shell_id(const struct shell *s);
struct list *shell_link(struct shell *s); /* the owner's */
struct shell *shell_of_link(struct list *link);

/* Both take effect in order. The shell may be gone afterwards. */
void shell_on_message(struct shell *s, const struct msg_shell_session *m);
