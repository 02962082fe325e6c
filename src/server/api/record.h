#pragma once

/*
 * What the API itself adds to the event log.
 */

#include "server/api/call.h"
#include "server/store/events.h"

struct record_operation {
    const struct fleet_host *host; /* NULL: deleted meanwhile */
    const char *container_id;      /* 12 or 64 hex, or a name */
    const char *container_name;    /* or NULL */
    const char *action;
    const char *error; /* NULL: it worked */
    uint64_t took_ms;
};

/* Stores an operation on a container, with who asked for it and how it ended. A full queue drops it with a log line. */
void record_operation(const struct api_call *call, const struct record_operation *o);
