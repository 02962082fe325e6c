#pragma once

/*
 * What happened to a container, from the engine's words to a row of the event log.
 */

#include "proto/container_event.h"
#include "server/fleet/fleet.h"
#include "server/store/events.h"

/*
 * False: not worth a row (exec noise, "stop", which says the same as "die", and what the table does not
 * know). *ret is to be done.
 */
bool container_event_make(const struct msg_container_event *m,
                          const struct fleet_host *h,
                          int64_t now_ms,
                          struct event *ret);
