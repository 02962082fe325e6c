#pragma once

/*
 * Recognises health events that change nothing: Podman sends one for every health check of a
 * container, Docker only for a change. The last result of each container is kept until the
 * container starts again or is removed. Zeroed memory is a valid, empty watch.
 */

#include "base/map.h"
#include "docker/model/event.h"
#include <stdbool.h>

struct health_watch {
    struct map last; /* char *, the action of the last health event by container id; owned */
};

void health_watch_done(struct health_watch *w);

/*
 * Returns false for a health event with the result of the one before. Call it once for each event
 * of a container, in order.
 */
bool health_watch_is_change(struct health_watch *w, const struct event *e);
