#pragma once

/*
 * A copy: files from or to a container as a tar stream on a channel (shell_session with "copy",
 * docs/protocol.md). The engine makes and reads the archive.
 *
 *     NEW -> INSPECTING -> RUNNING -> FLUSHING -> DONE
 *        \\______________/    any state -----------> DONE
 *
 * INSPECTING asks for the labels of the container, unless the guard knows them. RUNNING is one
 * request to the engine: HEAD ("stat"), GET ("out") or PUT ("in") of its archive. FLUSHING sends
 * the rest that the window of the server holds back. A close message or a failure ends the copy in
 * any state, and with it the request.
 *
 * Out: the engine is read as far as the window and the link allow. In: the server keeps to its
 * window, and gets an ack when the engine has taken what it sent. A copy frees itself when it has
 * sent its last event (closed or error); copy_free() ends it without an event.
 */

#include "agent/common/channel.h"
#include "agent/common/guard.h"
#include "docker/engine.h"
#include "proto/shell.h"

struct copy;

struct copy_options {
    struct engine *engine;
    struct guard *guard; /* its policy has allowed the copy already */
};

/* Whether this is a kind of copy: "stat", "out", "in". */
bool copy_knows(const char *kind);

/* Adds a copy to the set, which outlives it. `start` is checked, and copied. */
void copy_start(const struct copy_options *o,
                struct channel_set *set,
                const struct msg_shell_session *start);
void copy_free(struct copy *c);

struct copy *copy_of_channel(struct channel *c);

/* Messages take effect in order. May free the copy. */
void copy_on_message(struct copy *c, const struct msg_shell_session *m);
/* Ends it because the agent stops, and notifies the server. Frees the copy. */
void copy_stop(struct copy *c);
