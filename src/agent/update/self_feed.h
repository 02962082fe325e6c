#pragma once

/*
 * Reports self-updates of the agent to the server of a session: the newest record at the start of
 * the session, and each change of it.
 */

#include "agent/common/sender.h"
#include "agent/update/self_update.h"

struct self_feed;

/* Both are borrowed and outlive the feed. */
struct self_feed *self_feed_new(struct self_update *su, const struct sender *sender);
void self_feed_free(struct self_feed *f); /* NULL is fine */
