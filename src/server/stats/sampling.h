#pragma once

/*
 * Tells agents which figures somebody looks at, so that they take those every second and the rest at their own pace
 * (message stats_rate of proto/samples.h). What clients of the feed subscribe to is told shortly after, again after a
 * reconnect, and repeated before the agent would forget it. Lives on the loop.
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

/* Somebody asked for the last minutes of a container (NULL: of the host), and will ask again within half a minute. */
void sampling_on_asked(struct sampling *s, const struct fleet_host *h, const char *container_id);
