#pragma once

/*
 * A shell: one process in a container (an exec), with its input and output on a channel
 * (shell_session and shell_data of docs/protocol.md).
 *
 *     NEW -> INSPECTING -> CREATING -> ATTACHING -> RUNNING -> FINISHING -> FLUSHING -> DONE
 *        \___________________/     \__________________/   any state ------------------> DONE
 *
 * INSPECTING asks for the labels of the container, unless the guard knows them. CREATING makes the
 * exec, ATTACHING starts it; its input and output are the connection of that request. In FINISHING
 * the output has ended, and the exit code is asked for; it may come a moment later. FLUSHING sends
 * the output that the window of the server holds back. A close message or a failure ends the shell
 * in any state; from ATTACHING to FINISHING the exec killer then ends the process.
 *
 * Output goes as far as the window and the link allow; until then the engine is not read. Input
 * that comes before the process runs is kept, up to a maximum. A shell frees itself when it has
 * sent its last event (closed or error); shell_free() ends it without an event.
 */

#include "agent/common/channel.h"
#include "agent/common/guard.h"
#include "agent/engine/exec_killer.h"
#include "docker/engine.h"
#include "proto/shell.h"

struct shell;

struct shell_options {
    struct engine *engine;
    struct exec_killer *killer;
    struct guard *guard; /* its policy has allowed the shell already */
};

/* Adds a shell to the set, which outlives it. `start` is checked, and copied. */
void shell_start(const struct shell_options *o,
                 struct channel_set *set,
                 const struct msg_shell_session *start);
void shell_free(struct shell *s);

struct shell *shell_of_channel(struct channel *c);

/* Messages take effect in order. May free the shell. */
void shell_on_message(struct shell *s, const struct msg_shell_session *m);
