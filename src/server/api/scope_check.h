#pragma once

/*
 * The scope of who calls, enforced in front of the handlers by what the route is about. What is out of scope does not
 * exist (404); what can be seen but not be touched is refused (403).
 */

#include "server/api/call.h"

/* False after the call was answered. */
bool scope_check(struct api_call *call);

/* Whose events may be told, for the store: JSON arrays to be freed, see struct events_query. NULL without a scope. */
struct scope_events {
    char *hosts, *containers;
};
void scope_events_init(struct scope_events *ret, const struct scope *s, const struct fleet *f);
