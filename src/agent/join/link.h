#pragma once

/*
 * The link to the server: asks the engine for its identity, dials, registers and runs a session.
 * After any end it waits and starts again, for as long as the process lives.
 *
 *   IDLE -> ENGINE -> DIALING -> REGISTERING -> SESSION -> WAITING -> ENGINE ...
 *                        |            |            |
 *                        +--> WAITING |            +--> CLOSING -> WAITING
 *                                     +--> CLOSING
 *   any -> LEAVING -> STOPPED; SESSION -> DRAINING -> LEAVING
 *
 *   ENGINE       inquiry.h asks the engine until its identity is known
 *   DIALING      TCP, TLS and the WebSocket handshake
 *   REGISTERING  the register message was sent; auth_reply.h judges the answer, credentials.h keeps
 *                the tokens and the fields that the server does not know
 *   SESSION      session/session.h has the connection, and sends through uplink.h
 *   CLOSING      a close frame was sent
 *   DRAINING     stopping: the session finishes what runs, at most LINK_DRAIN_MS
 *   LEAVING      stopping: the connection closes
 *
 * The wait is exponential with full jitter. It is reset only after a session that lasted ten times
 * the first wait (10 s), so that a server that accepts and drops is not hammered. Refusals that
 * only the administrator can resolve, and being superseded by another agent with the same token,
 * get the longest wait.
 *
 * The link owns the WebSocket and the session; a session does not outlive its connection.
 */

#include "agent/config/config.h"
#include "agent/engine/events.h"
#include "agent/engine/exec_killer.h"
#include "agent/engine/facts.h"
#include "agent/engine/network_undo.h"
#include "agent/stats/collector.h"
#include "docker/engine.h"
#include "net/loop.h"

#define LINK_MAX_MESSAGE_IN  ((size_t)4 << 20)
#define LINK_MAX_MESSAGE_OUT ((size_t)16 << 20) /* the limit of all servers */
#define LINK_MAX_QUEUE       ((size_t)32 << 20)
#define LINK_AUTH_TIMEOUT_MS 10000
#define LINK_DRAIN_MS        10000

struct link;

struct link_options { /* all members are borrowed and outlive the link */
    struct loop *loop;
    const struct config *config;
    struct engine *engine;
    struct facts *facts;
    struct events *events;
    struct exec_killer *killer;
    struct network_undo *network_undo;
    struct updates *updates;
    struct self_update *self_update;
    struct collector *collector;
    struct spool *spool;
};

/* Reads the token file. -ENOENT: there is no token; other errors are those of token_load(). */
int link_new(struct link **ret, const struct link_options *o, struct error *err) _nodiscard_;
void link_free(struct link *l); /* cancels running requests and closes at once */
DEFINE_CLEANUP(struct link *, link_free);

void link_start(struct link *l); /* once */

bool link_is_connected(const struct link *l); /* the server has accepted the agent */

/*
 * Finishes or answers running requests within LINK_DRAIN_MS, closes the connection, and completes
 * `w`. Call it once.
 */
void link_stop(struct link *l, struct completion_wait *w, completion_fn fn);
