#pragma once

/*
 * Shells in containers: WebSocket /ws/shell/{host}/{container} for browsers and the CLI, connected
 * with a shell_session of the host's agent. docs/protocol.md has the messages. A copy of files is a
 * shell without a process: its input and output are tar streams.
 *
 * The scope of the client applies; DockMon's own containers are refused. Start and end are
 * audited. A message of an agent counts only for shells that were opened on that agent. Memory is
 * bounded on both sides: with agents that have windows, output and input wait at their source;
 * output of other agents closes a shell whose client does not read. Lives on the loop.
 */

#include "net/http_server.h"
#include "net/loop.h"
#include "server/auth/ws_client.h"
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

/*
 * Fills the accept options for an upgrade request whose target, a part of its path, is
 * "HOST/CONTAINER". Returns 0, or the HTTP status 404 when the target has another form.
 */
int shells_accept(struct shells *ss,
                  const struct http_request *r,
                  const char *target,
                  const struct ws_rules *rules,
                  struct ws_accept *ret);
/* The same for a copy of files: WebSocket /ws/copy/{host}/{container}?action=ACTION&path=PATH. */
int shells_accept_copy(struct shells *ss,
                       const struct http_request *r,
                       const char *target,
                       const struct ws_rules *rules,
                       struct ws_accept *ret);
