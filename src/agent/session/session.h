#pragma once

/*
 * A session runs while the agent is connected and accepted: commands, shells, followed logs, events,
 * inventory, samples. It is one cancel scope: session_free() ends everything that it has started, at
 * once. The link owns the connection, passes every text message to session_on_message(), and sends what
 * the session gives to `send` and `sink`.
 *
 * The session listens to the engine's events and passes them on in this order: new events to the
 * server, followed logs, inventory.
 */

#include "agent/common/policy.h"
#include "agent/engine/events.h"
#include "agent/engine/exec_killer.h"
#include "agent/engine/facts.h"
#include "agent/spool/batch_sink.h"
#include "agent/stats/collector.h"
#include "docker/engine.h"
#include "net/completion.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;

struct session_options {
    struct loop *loop;
    struct engine *engine;
    struct facts *facts;         /* outlives the session */
    struct events *events;       /* outlives the session, started by the caller */
    struct exec_killer *killer;  /* outlives the session */
    struct collector *collector; /* outlives the session; NULL: no statistics */
    struct spool *spool;         /* outlives the session; the collector's */
    const struct policy *policy; /* outlives the session */
    /* Queues one text message. 0, or -ENOBUFS (queue full, try again later), or another error. May be called
     * from inside session_new() and session_on_message(); must not call back into the session. */
    int (*send)(void *owner, const char *text, size_t size);
    /* Bytes that `send` has taken and that were not sent yet; or NULL. */
    size_t (*queued)(void *owner);
    void *owner;
    /* Outlives the session. NULL: the server takes no batches of samples. */
    struct batch_sink *sink;
    struct msg_samples_ack samples_has; /* samples it has for good; epoch 0: none */
    bool wants_inventory;    /* the server takes inventory_snapshot and inventory_delta */
    bool wants_engine_state; /* the server takes engine_state */
    bool wants_codes;        /* the server understands error codes */
    bool wants_event_replay; /* the server drops duplicates: resend from events_since_ns on */
    int64_t events_since_ns;
    size_t max_message; /* most bytes of one outgoing message; 0: 8 MiB */
    /* Takes a new permanent token; 0, or why it stays with the one it has. NULL: it cannot. */
    int (*rotate_token)(void *owner, const char *token, struct error *err);
};

struct session *session_new(const struct session_options *o);
void session_free(struct session *session); /* NULL is fine; no reply is sent any more */
DEFINE_CLEANUP(struct session *, session_free);

void session_on_message(struct session *session, const char *text, size_t size);
void session_on_receipt(struct session *session, uint64_t number);

/* Graceful end: new commands are refused with a reply, running ones are finished and answered, shells are closed;
 * then it completes. The caller sets the limit (10 s) and calls session_free() in any case. */
void session_stop(struct session *session, struct completion_wait *w, completion_fn fn);
