#pragma once

/*
 * An event as the API and the feed show it.
 */

#include "server/store/events.h"
#include <jansson.h>

/* Returns a new object with the members that clients know; unknown values are null. */
json_t *event_json(const struct event *e);
