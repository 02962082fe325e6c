#pragma once

/*
 * The link to the server: wait for the engine, dial, register, run a session, and after any end wait
 * and start over, for as long as the process lives.
 *
 *   IDLE -> ENGINE -> DIALING -> REGISTERING -> SESSION -> WAITING -> ENGINE ...
 *             |          |            |            |
 *             |          +--> WAITING |            +--> CLOSING -> WAITING
 *             +--> ENGINE (retry)     +--> CLOSING
 *   any -> LEAVING -> STOPPED; SESSION -> DRAINING -> LEAVING
 *
 * The wait is full-jitter exponential. It starts over only after a session that lasted longer than the
 * longest wait, so a server that accepts and drops is not hammered. Refusals that only a human can mend,
 * and being superseded by another agent with the same token, get the slowest retry.
 */

#include "agent/config/config.h"
#include "agent/engine/events.h"
#include "agent/engine/exec_killer.h"
#include "agent/engine/facts.h"
#include "agent/stats/collector.h"
#include "docker/engine.h"
#include "net/loop.h"

#define LINK_MAX_MESSAGE_IN  ((size_t)4 << 20)
#define LINK_MAX_MESSAGE_OUT ((size_t)8 << 20)
#define LINK_MAX_QUEUE       ((size_t)32 << 20)
#define LINK_AUTH_TIMEOUT_MS 10000
#define LINK_HEARTBEAT_MS    60000
#define LINK_DRAIN_MS        10000

struct link;

struct link_options { /* everything is borrowed and outlives the link */
    struct loop *loop;
    const struct config *config;
    struct engine *engine;
    struct facts *facts;
    struct events *events;
    struct exec_killer *killer;
    struct collector *collector;
    struct spool *spool; /* outlives the link; the collector's */
};

/* Reads the token file; without any token it fails. */
int link_new(struct link **ret, const struct link_options *o, struct error *err) _nodiscard_;
void link_free(struct link *l); /* ends what runs at once */
DEFINE_CLEANUP(struct link *, link_free);

void link_start(struct link *l); /* once */

bool link_is_connected(const struct link *l); /* the server has accepted the agent */

/* Finishes or answers running commands, at most LINK_DRAIN_MS, and closes; then it completes. Once. */
void link_stop(struct link *l, struct completion_wait *w, completion_fn fn);
