#pragma once

/*
 * An event as the API and the feed show it.
 */

#include "server/store/events.h"
#include <jansson.h>

json_t *event_json(const struct event *e);
