#pragma once

/*
 * What happens to a host and its agent's link, as rows of the event log.
 */

#include "server/fleet/fleet.h"
#include "server/session/ingest.h"

enum host_event {
    HOST_EVENT_ADDED,
    HOST_EVENT_CONNECTED,
    HOST_EVENT_DISCONNECTED,
    HOST_EVENT_MIGRATED,
    HOST_EVENT_SUPERSEDED,
};

/* Stores the event; agent and address become part of `details`, which is taken (NULL: none). */
void host_event_add(struct ingest *in,
                    enum host_event kind,
                    const struct fleet_host *h,
                    const char *address,
                    json_t *details);
