#pragma once

/*
 * The condition of a container beyond its state: the result of its health check, and how its last
 * run ended. The engine's list has these only as words of its status, such as "Up 5 minutes
 * (healthy)" and "Exited (137) 2 hours ago", and not for every state; events fill the gaps.
 */

#include "proto/container.h"
#include "proto/container_event.h"
#include <jansson.h>

#define CONDITION_UNKNOWN (-1)

struct fleet_condition {
    int health;        /* 1 healthy, 0 unhealthy, or unknown: no check, or no result yet */
    int64_t exit_code; /* of the last run that has ended, or unknown */
    int oom_killed;    /* 1, 0 or unknown: whether a process of that run, or of this one, was killed
                          because memory ran out */
};

/*
 * Reads the condition from an element of the list. `old` is the one before, whose values stay
 * where the element has none; NULL: all are unknown.
 */
void condition_read(struct fleet_condition *ret,
                    const struct msg_container *m,
                    const struct fleet_condition *old);
/* Applies an event of the container. */
void condition_note_event(struct fleet_condition *c, const struct msg_container_event *m);
