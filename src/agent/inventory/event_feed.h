#pragma once

/*
 * Sends container events to the server of one session, oldest first. Events have three sources,
 * which are sent in this order:
 *
 *   log      the events on disk (engine/event_log.h), if there is a log
 *   engine   the engine's own memory of its newest 256 events, asked for with GET /events
 *   history  the events in memory (engine/events.h), and new ones as they arrive
 *
 * The log and the engine are only used for a server that drops duplicates ("replay"): it names the
 * time of its newest event, and the sources may overlap from there on. Any other server gets the
 * history from the sequence number at which the last session stopped (events_sent()). There, an
 * event counts as sent when the server has answered the ping behind it: what was written into a
 * connection that had died unnoticed is sent again in the next session.
 *
 *   since    time of the newest event that the server has; in nanoseconds, 0: none
 *   covered  time since which the history in memory has no holes; older events come from the log,
 *            and from the engine if the log does not reach up to it
 *
 * When the send queue is full, the feed keeps its place and tries again after a short delay. The
 * session owns the feed and frees it at its end; that cancels the request to the engine. Events are
 * borrowed from the history only within one call of event_feed_pump().
 */

#include "agent/common/sender.h"
#include "agent/engine/events.h"

struct event_feed;

struct event_feed_options {
    struct engine *engine;
    struct events *events;
    const struct sender *sender; /* outlives the feed */
    bool is_replay;              /* the server drops duplicates */
    int64_t since_ns;            /* with is_replay: time of its newest event, 0: none */
    /*
     * Without is_replay: asks for a receipt of all that was sent so far, after which the caller
     * calls event_feed_on_receipt() with the number. NULL: an event counts as sent when it is
     * queued.
     */
    int (*ask_receipt)(void *owner, uint64_t number);
    void *owner;
};

struct event_feed *event_feed_new(const struct event_feed_options *o);
void event_feed_free(struct event_feed *feed);
DEFINE_CLEANUP(struct event_feed *, event_feed_free);

/* The server has all events before the one with this sequence number. */
void event_feed_on_receipt(struct event_feed *feed, uint64_t number);

void event_feed_pump(struct event_feed *feed); /* sends new events; call it after each */
