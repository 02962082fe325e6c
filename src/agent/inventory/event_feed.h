#pragma once

/*
 * Sends the container events of the history (events.h) to the server of one session, in order, each as
 * soon as it comes. Servers that drop doubles get everything from the newest event they have; others go
 * on where the last session stopped.
 */

#include "agent/common/sender.h"
#include "agent/engine/events.h"

struct event_feed;

struct event_feed_options {
    struct engine *engine;
    struct events *events;
    const struct sender *sender; /* outlives the feed */
    bool is_replay;              /* the server drops doubles */
    int64_t since_ns;            /* with is_replay: its newest event, 0 none */
};

struct event_feed *event_feed_new(const struct event_feed_options *o);
void event_feed_free(struct event_feed *feed);
DEFINE_CLEANUP(struct event_feed *, event_feed_free);

void event_feed_pump(struct event_feed *feed); /* there are new events */
