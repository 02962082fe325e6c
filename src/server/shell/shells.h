#pragma once

/*
 * Shells in containers: WebSocket /ws/shell/{host}/{container} for browsers and the CLI, connected
 * with a shell_session of the host's agent. docs/protocol.md has the messages.
 *
 * Operators and above, within their scope; DockMon's own containers are refused. Start and end are
 * audited. A message of an agent counts only for shells that were opened on that agent. Memory is
 * bounded on both sides: with agents that have windows, output and input wait at their source;
 * output of other agents closes a shell whose client does not read. Lives on the loop.
 */

#include "net/http_server.h"
#include "net/loop.h"
#include "server/auth/auth.h"
#include "server/fleet/fleet.h"
#include "server/session/session.h"

struct shells;

struct shells_options {
    struct loop *loop;
    struct auth *auth;
    struct fleet *fleet;
    struct sessions *sessions;
    struct db *store;
    struct job_queue *store_jobs;
};

struct shells *shells_new(const struct shells_options *o);
void shells_stop(struct shells *ss); /* closes all shells (1001) */
void shells_free(struct shells *ss); /* the sessions must still be there */

#define SHELLS_PATH "/ws/shell/"

/* Fills the accept options for an upgrade of a path that starts with SHELLS_PATH; 0 or 404. */
int shells_accept(struct shells *ss, const struct http_request *r, struct ws_accept *ret);
