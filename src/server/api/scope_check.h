#pragma once

/*
 * Enforces the scope of the caller before the handler runs, by the object of the route. An object
 * out of scope does not exist (404); one that may be seen but not changed is refused (403).
 */

#include "server/api/call.h"

/*
 * Returns false after answering the call, or when it will be answered later: the engine of the host
 * is asked for a container that the live model does not show to the caller, and the handler runs if
 * the scope covers the engine's answer. Path parameter 1 is the container's id then.
 */
bool scope_check(struct api_call *call);

/* A filter of events for the store: JSON arrays to be freed, see struct events_query. NULL without
 * a scope. */
struct scope_events {
    char *hosts, *containers;
};
/* Lists what the scope allows at this moment; both members are NULL for an unlimited scope. */
void scope_events_init(struct scope_events *ret, const struct scope *s, const struct fleet *f);
