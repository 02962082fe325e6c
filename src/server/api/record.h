#pragma once

/*
 * Events that the API itself adds to the event log.
 */

#include "proto/error_code.h"
#include "server/api/call.h"
#include "server/store/events.h"

struct record_operation {
    const struct fleet_host *host; /* NULL: deleted in the meantime */
    const char *container_id;      /* 12 or 64 hex digits, or a name */
    const char *container_name;    /* or NULL */
    const char *action;
    enum error_code reason; /* CODE_NONE: success */
    const char *error;      /* of a failure */
    uint64_t took_ms;
    const char *command_id; /* or NULL */
};

/*
 * Describes the outcome of an operation for the event log, which viewers read. The caller frees it.
 * CODE_NONE means success; the text of another failure is left to the audit log, because texts of
 * the engine quote commands and options.
 */
char *record_message(const char *action,
                     enum error_code reason,
                     const char *error,
                     uint64_t took_ms);

/*
 * Returns the title of an event about an operation, to be freed: "Container web could not be
 * stopped". `action` is the name of the operation, or the action of its route.
 */
char *record_title(const char *action, bool has_failed, const char *target);

/* Returns the details of an event about an operation, to be freed; NULL: it was not sent. */
char *record_details(uint64_t took_ms);

/* Stores an event about an operation on a container, with its caller and outcome. When the queue is
 * full, logs a warning and drops it. */
void record_operation(const struct api_call *call, const struct record_operation *o);
