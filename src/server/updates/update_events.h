#pragma once

/*
 * Reports changes of updates: events of the event log, which become marks of the history, and steps
 * for the feed.
 */

#include "server/updates/updates.h"

/* The state before a change. */
struct update_before {
    enum update_state state; /* UPDATE_STATES: the update was not known */
    bool probation_failed;
};

#define UPDATE_BEFORE_NONE ((struct update_before){.state = UPDATE_STATES})

struct update_event_sink {
    struct fleet *fleet;
    struct db *store;
    struct job_queue *store_jobs;
};

/* An event that was recorded before is not repeated, also after a restart of the server. */
void update_events_record(const struct update_event_sink *sink,
                          const struct fleet_host *h,
                          const struct update *up,
                          const struct update_before *before);
/* Sends the newest layers of the pull to the feed. */
void update_events_show_layers(struct fleet *fleet,
                               const struct fleet_host *h,
                               const struct update *up);
/* Returns the update as the API shows it. */
json_t *update_json(const struct update *up, const char *host_name) _nodiscard_;
