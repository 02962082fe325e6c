#pragma once

/*
 * The state machine of one alert: a rule applied to one subject. Pure: the caller brings the condition and
 * the time that has passed, and stores the result.
 *
 *   INACTIVE --true--> PENDING --held long enough--> FIRING <--true-- RESOLVING
 *       ^                 |                             '-----clear------^ |
 *       '---not true------'                                                |
 *       '------------------------clear long enough-------------------------'
 *
 * A delay of 0 is passed at once, so that a single step may lead from INACTIVE to FIRING.
 *
 *   held      how long the state's condition has been observed without a gap: true in PENDING, clear in
 *             RESOLVING. It is an amount of time, not a point in time: the time between two steps counts only
 *             if both observed the condition. Time without an observation (the host is offline, the server
 *             was down) therefore never counts, and no jump of a clock fires or clears anything.
 *   between   neither true nor clear: a metric between its threshold and its clear threshold
 */

#include <stdbool.h>
#include <stdint.h>

enum alert_state {
    ALERT_INACTIVE,
    ALERT_PENDING,
    ALERT_FIRING,
    ALERT_RESOLVING,
    ALERT_STATES,
};

enum alert_condition {
    CONDITION_NO_DATA, /* cannot be known now: nothing changes */
    CONDITION_CLEAR,
    CONDITION_BETWEEN,
    CONDITION_TRUE,
};

struct alert_delays {
    int64_t active_ms; /* true for this long before it fires */
    int64_t clear_ms;  /* clear for this long before it is resolved */
    int64_t samples;   /* true in so many observations before it fires; 0 and 1: one is enough */
};

struct alert_clock {
    enum alert_state state;
    int64_t held_ms;
    int64_t n_seen;    /* observations of the condition in PENDING */
    bool was_observed; /* the last step observed the condition that is held; not stored */
};

enum alert_outcome {
    ALERT_SAME,     /* the state is the same */
    ALERT_CHANGED,  /* another state, of no interest to people */
    ALERT_FIRED,    /* PENDING or INACTIVE to FIRING */
    ALERT_RESOLVED, /* to INACTIVE, from FIRING or RESOLVING */
};

/*
 * Moves the clock by one observation. `elapsed_ms` is the time since the step before, on the monotonic clock;
 * negative times count as 0. `is_new` says that the observation is a new sample.
 */
enum alert_outcome alert_step(struct alert_clock *c,
                              const struct alert_delays *d,
                              enum alert_condition condition,
                              int64_t elapsed_ms,
                              bool is_new);
/* How long until a step may change the state though the condition does not; -1: never. */
int64_t alert_wait_ms(const struct alert_clock *c, const struct alert_delays *d);

/* "inactive", "pending", "firing", "resolving" */
const char *alert_state_name(enum alert_state s);
