#pragma once

/*
 * Translates the engine's events of containers into rows of the event log.
 */

#include "proto/container_event.h"
#include "server/fleet/fleet.h"
#include "server/store/events.h"

/*
 * Fills *ret, which the caller frees with event_done(). False: the event gets no row, as those of
 * an exec, "stop" (a duplicate of "die") and unknown actions. `sent_at` is the time in the envelope
 * of the message, or NULL: it adds the fraction to an engine time in whole seconds.
 */
bool container_event_make(const struct msg_container_event *m,
                          const char *sent_at,
                          const struct fleet_host *h,
                          int64_t now_ms,
                          struct event *ret);
/* The name that the container had before this event of its renaming, or NULL. Borrowed from m. */
const char *container_event_old_name(const struct msg_container_event *m);
