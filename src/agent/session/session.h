#pragma once

/*
 * A session is the work of the agent while it is connected and accepted: commands, shells, followed
 * logs, events, inventory, samples. It is one cancel scope: session_free() ends everything that it
 * has started, at once.
 *
 * The link owns the connection. It passes every text message to session_on_message(), which routes
 * it by its type to the module that owns it, and sends the messages that the session passes to
 * `send` and `sink`. A session does not outlive its connection:
 *
 *   running -session_stop()-> draining -commands and killer done-> stopped
 *   any     -session_free()-> freed
 *
 * The session listens to the engine's events and passes each to its parts in this order: the event
 * feed, followed logs, the inventory. All parts use one guard (common/guard.h), which applies the
 * policy of the host, and one sender (common/sender.h).
 */

#include "agent/common/policy.h"
#include "agent/engine/events.h"
#include "agent/engine/exec_killer.h"
#include "agent/engine/facts.h"
#include "agent/engine/network_undo.h"
#include "agent/session/stats_channel.h"
#include "agent/spool/batch_sink.h"
#include "agent/stats/collector.h"
#include "agent/update/updates.h"
#include "docker/engine.h"
#include "net/completion.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;

struct session_options {
    struct loop *loop;
    struct engine *engine;
    struct facts *facts;               /* outlives the session */
    struct events *events;             /* outlives the session, started by the caller */
    struct exec_killer *killer;        /* outlives the session */
    struct network_undo *network_undo; /* outlives the session */
    struct updates *updates;           /* outlives the session; NULL: none */
    struct self_update *self_update;   /* the same */
    struct collector *collector;       /* outlives the session; NULL: no statistics */
    struct spool *spool;               /* outlives the session */
    const struct policy *policy;       /* outlives the session */
    const char *own_container;         /* the same; see guard_new() */
    /*
     * Queues one text message. Returns 0, -ENOBUFS (the queue is full, try again later), or another
     * negative errno. It is also called from inside session_new() and session_on_message(), and
     * must not call back into the session.
     */
    int (*send)(void *owner, const char *text, size_t size);
    /* Returns the number of bytes in the queue of `send`; may be NULL. */
    size_t (*queued)(void *owner);
    /* Asks for session_on_receipt() with this number, see ws_ask_receipt(); may be NULL. */
    int (*ask_receipt)(void *owner, uint64_t number);
    void *owner;
    /* Outlives the session. NULL: the server does not accept batches of samples. */
    struct batch_sink *sink;
    struct msg_samples_ack samples_has; /* position of the samples it has; epoch 0: none */
    /* Of a second connection for samples; borrowed by session_new(). NULL: none. */
    const struct stats_channel_options *channel;
    bool wants_inventory;    /* the server accepts inventory_snapshot and inventory_delta */
    bool wants_updates;      /* the server accepts update_journal */
    bool wants_self_update;  /* the server accepts self_update_progress */
    bool wants_engine_state; /* the server accepts engine_state */
    bool wants_codes;        /* the server understands error codes */
    bool wants_event_replay; /* the server drops duplicates: resend from events_since_ns on */
    int64_t events_since_ns;
    size_t max_message;         /* maximum size in bytes of an outgoing message; 0: 8 MiB */
    bool *has_warned_of_checks; /* outlives the session; NULL: no warning */
    /* Replaces the permanent token; on failure the old one stays. NULL: not supported. */
    int (*rotate_token)(void *owner, const char *token, struct error *err);
};

struct session *session_new(const struct session_options *o);
void session_free(struct session *session); /* NULL is fine; no reply is sent any more */
DEFINE_CLEANUP(struct session *, session_free);

void session_on_message(struct session *session, const char *text, size_t size);
void session_on_receipt(struct session *session, uint64_t number);

/*
 * Ends the session gracefully: new commands are refused with a reply, running ones are finished and
 * answered, shells and logs are closed. Then it completes `w`. The caller sets a limit (10 s) and
 * calls session_free() in any case.
 */
void session_stop(struct session *session, struct completion_wait *w, completion_fn fn);
