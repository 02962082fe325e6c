#pragma once

/*
 * What the files of shell/ share; nobody else includes it. A shell belongs to its socket and is freed when
 * that has closed.
 *
 *     AUTHENTICATING -> AWAITING -> STARTING -> OPEN -> CLOSING
 *            \______________________/  \__________________/
 *
 * AWAITING: a client that asked for it says what to run first. The agent knows of a shell from STARTING on.
 */

#include "base/list.h"
#include "base/map.h"
#include "base/random.h"
#include "proto/shell.h"
#include "server/auth/admission.h"
#include "server/shell/shells.h"

enum shell_state {
    SHELL_AUTHENTICATING,
    SHELL_AWAITING,
    SHELL_STARTING,
    SHELL_OPEN,
    SHELL_CLOSING,
};

struct shell {
    struct list link;
    struct shells *owner;
    struct ws *ws;
    enum shell_state state;
    char id[UUID_TEXT_SIZE];
    struct identity who;
    struct admission *admission;
    char *peer;
    char *host_ref, *container_ref; /* as asked for */
    bool waits_for_start;           /* the client says what to run */
    bool is_plain;                  /* no terminal: binary frames begin with the stream's number */
    struct loop_timer timer;        /* of AWAITING and STARTING */

    /* From STARTING on. */
    char *agent_id, *host_id, *host_name, *container_name;
    char container_id[CONTAINER_ID_SIZE];
    bool is_audited;
    bool has_window;
    size_t n_unacked;  /* output that the client may not have read yet */
    size_t n_unread;   /* input that the agent has not acknowledged */
    int64_t exit_code; /* -1: unknown */
    char *outcome;     /* for the audit row; NULL: the client left */
};

struct shells {
    struct shells_options o;
    struct list list;
    size_t n;
    struct map by_id; /* from STARTING on */
    bool is_stopping;
};

/* shell.c */
struct shell *shell_new(struct shells *ss, struct ws *ws);
void shell_free(struct shell *s);
void shell_start(struct shell *s, const json_t *asked); /* the client's start message, or NULL */
void shell_close(struct shell *s, unsigned code, const char *reason);
void shell_refuse(struct shell *s,
                  unsigned code,
                  const char *why); /* closes it, and leaves a row in the audit log */
void shell_set_state(struct shell *s, enum shell_state state);
void shell_on_client(struct shell *s, const char *data, size_t size, bool is_binary);
void shell_on_drain(struct shell *s);
void shell_on_agent(struct shell *s, const struct msg_shell_data *m);
/* The client is gone or refused: the agent ends the process, the end is audited. */
void shell_end(struct shell *s);
