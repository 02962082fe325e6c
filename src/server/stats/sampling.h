#pragma once

/*
 * Notifies agents which samples clients are watching, so that they take those every second and the rest
 * at their own interval (message stats_rate of proto/samples.h).
 *
 * Two kinds of demand are added: topics that clients of the feed have subscribed to, and containers
 * whose last minutes were asked for in the last 30 s. A change is sent after a short delay, because
 * clients that scroll subscribe often; again when an agent connects; and every 30 s, before the agent
 * forgets the rate. Listens to the fleet and to the feed. Lives on the loop.
 */

#include "net/loop.h"
#include "server/feed/feed.h"
#include "server/fleet/fleet.h"
#include "server/session/session.h"

struct sampling;

struct sampling_options {
    struct loop *loop;
    struct fleet *fleet;
    struct feed *feed;
    struct sessions *sessions;
};

struct sampling *sampling_new(const struct sampling_options *o);
void sampling_free(struct sampling *s); /* NULL is fine */

/* The last minutes of a container (NULL: of the host) were asked for: it is in demand for 30 s. */
void sampling_on_asked(struct sampling *s, const struct fleet_host *h, const char *container_id);
