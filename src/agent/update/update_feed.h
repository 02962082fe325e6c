#pragma once

/*
 * Tells the server of a session about the updates of this host: a server with the capability
 * `updates` gets the record at each step, and all records when the session starts; others get the
 * events of DockMon's own agents.
 */

#include "agent/common/sender.h"
#include "agent/update/updates.h"

struct update_feed;

struct update_feed_options {
    struct updates *updates;     /* outlives the feed */
    const struct sender *sender; /* the same */
    bool sends_records;          /* the server has the capability */
};

struct update_feed *update_feed_new(const struct update_feed_options *o);
void update_feed_free(struct update_feed *f); /* NULL is fine */
