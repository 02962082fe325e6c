#pragma once

/*
 * The parts of a shell, shared by the files of this folder only.
 *
 *     ADMITTING -> AWAITING -> STARTING -> OPEN -> ENDED
 *               -------------> STARTING            (the client sends no start message)
 *     any of these -> ENDED
 *
 * In AWAITING the client may send what to run. From STARTING on the agent has an object for the
 * shell, and the start is audited; leaving STARTING or OPEN closes it at the agent and audits the
 * end. A shell is created with the upgrade of its socket and freed when the socket has closed
 * (auth/ws_client.h); it is ENDED as soon as the socket is closing.
 */

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/random.h"
#include "proto/shell.h"
#include "server/shell/shells.h"

enum shell_state {
    SHELL_ADMITTING,
    SHELL_AWAITING,
    SHELL_STARTING,
    SHELL_OPEN,
    SHELL_ENDED,
};

struct shell {
    struct ws_client socket;
    struct shells *owner;
    enum shell_state state;
    char id[UUID_TEXT_SIZE];
    char *host_ref, *container_ref; /* as asked for */
    bool waits_for_start;           /* the client sends a start message */
    char *copy;              /* a copy instead of a process: "stat", "out", "in"; else NULL */
    char *path;              /* of a copy */
    bool keeps_owner;        /* of a copy in */
    bool is_plain;           /* no terminal: binary frames begin with the number of the stream */
    struct loop_timer timer; /* of the state: AWAITING, STARTING */
    struct loop_timer gather_timer;
    struct buf gathered; /* input for an agent whose messages can overtake each other */

    /* From STARTING on. */
    char *agent_id, *host_id, *host_name, *container_name;
    char container_id[CONTAINER_ID_SIZE];
    bool is_named;    /* asked for by a name, which the engine resolves: the model may be older */
    bool has_window;  /* the agent bounds and acknowledges what is sent */
    size_t n_unacked; /* output that the client may not have read yet */
    size_t n_unread;  /* input that the agent has not acknowledged */
    char *outcome;    /* for the audit row of the end; NULL: the client left */
    bool is_failed;   /* the outcome is a text of the agent, which may quote the command */
};

struct shells {
    struct shells_options o;
    struct sessions_listener sessions;
    struct ws_clients clients;
    struct map by_id; /* from STARTING on */
};

/* shell.c */
struct shell *shell_new(struct shells *ss);
void shell_free(struct shell *s);
bool shell_knows_copy(const struct shell *s);           /* action and path of a copy are valid */
void shell_start(struct shell *s, const json_t *asked); /* the client's start message, or NULL */
void shell_close(struct shell *s, unsigned code, const char *reason);
/* Closes the shell, and writes an audit row for the attempt. */
void shell_refuse(struct shell *s, unsigned code, const char *why);
/* Stops the timer of the state before. */
void shell_set_state(struct shell *s, enum shell_state state);
void shell_on_client(struct shell *s, const char *data, size_t size, bool is_binary);
void shell_on_drain(struct shell *s);
void shell_on_agent(struct shell *s, const struct msg_shell_data *m);
/*
 * The socket is closing: ends a shell that has started at the agent, and audits that. `reason` is
 * NULL when the client left.
 */
void shell_end(struct shell *s, unsigned code, const char *reason);
