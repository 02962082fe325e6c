#pragma once

/*
 * Sampling notifies agents of the samples that clients are watching. Agents take those every
 * second, and all others at their own interval (message stats_rate of proto/samples.h).
 *
 * Demand has three sources: topics that clients of the feed have subscribed to, containers whose
 * recent samples were requested in the last 30 s, and hosts in the full lists of clients that do
 * not subscribe, of which samples are taken every 2 s. A change is sent after a short delay, because
 * clients that scroll subscribe often. The rate is also sent when an agent connects, and every 30
 * s, before it expires at the agent. Samples whose successors are missing expire here, too
 * (fleet/staleness.h). While the feed has clients, the lists of polled agents are needed.
 * Listens to the fleet and to the feed; used on the loop only.
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

/* Recent samples of a container (NULL: of the host) were requested: keeps it in demand for 30 s. */
void sampling_on_asked(struct sampling *s, const struct fleet_host *h, const char *container_id);
