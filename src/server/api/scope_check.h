#pragma once

/*
 * The scope of who calls, enforced in front of the handlers by what the route is about. What is out of scope does not
 * exist (404); what can be seen but not be touched is refused (403).
 */

#include "server/api/call.h"
#include "server/store/events.h"

/* False after the call was answered. */
bool scope_check(struct api_call *call);

/* Whether an event may be told: of a container, or else of a host, that is in scope now. */
bool scope_allows_event(const struct scope *s, const struct fleet *f, const struct event *e);

/* The same for the store, as JSON arrays to be freed; see struct events_query. NULL without a scope. */
struct scope_events {
    char *hosts, *containers;
};
void scope_events_init(struct scope_events *ret, const struct scope *s, const struct fleet *f);
