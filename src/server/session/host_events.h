#pragma once

/*
 * Rows of the event log about a host and the connection of its agent.
 */

#include "server/fleet/fleet.h"
#include "server/session/ingest.h"

enum host_event {
    HOST_EVENT_ADDED,
    HOST_EVENT_CONNECTED,
    HOST_EVENT_DISCONNECTED,
    HOST_EVENT_MIGRATED,
    HOST_EVENT_SUPERSEDED,
    HOST_EVENT_ENGINE_CHANGED,
    HOST_EVENT_REPLACED,
    HOST_EVENT_RENAMED,
};

/*
 * Stores an event. Takes ownership of `details` (NULL: none) and adds the agent and the address
 * to it. When the store queue is full, the event is lost and a warning logged.
 */
void host_event_add(struct ingest *in,
                    enum host_event kind,
                    const struct fleet_host *h,
                    const char *address,
                    json_t *details);
