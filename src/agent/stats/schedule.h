#pragma once

/*
 * When the collector reads what. Pure: the time is an argument, so that tests can choose it.
 *
 * Two intervals run side by side: at the rest interval everything is read, at the live interval
 * only what is in demand. Demand is the server's rate, which expires by itself, or eager mode.
 * Ticks of the two that are close become one. Some readings are expensive and have slower intervals
 * of their own.
 *
 *   add demand  -> the next live tick comes at once, but not sooner than half an interval after the
 *                  last tick: values that were just read are new enough
 *   eager       -> the next rest tick comes after one live interval, so that a server that has just
 *                  connected need not wait for its first samples
 *
 * All times are monotonic milliseconds. The struct is the collector's; treat it as opaque.
 */

#include "proto/samples.h"
#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_API_MS \
    10000 /* between samples of the Engine API, which cost the engine CPU time */

struct schedule {
    uint64_t rest_interval_ms, live_interval_ms;
    uint64_t ticked_ms, rest_at_ms, live_at_ms, thorough_at_ms, host_at_ms, rescan_at_ms, api_at_ms;
    struct msg_stats_rate rate; /* zeroed: none */
    uint64_t rate_until_ms;     /* 0: there is no rate */
    bool is_eager;
};

/* The readings of one tick. */
struct schedule_tick {
    bool is_rest;     /* all containers and the host, not only those in demand */
    bool is_thorough; /* also values that are expensive or hardly change */
    bool is_rescan;   /* look for new and removed network interfaces */
    bool has_host;    /* including the host */
};

void schedule_init(struct schedule *s, uint64_t rest_ms, uint64_t live_ms, uint64_t now_ms);
void schedule_done(struct schedule *s);

uint64_t schedule_next(const struct schedule *s, uint64_t now_ms); /* the time of the next tick */
/* False: nothing is due. Otherwise the tick counts as done. */
bool schedule_begin(struct schedule *s, uint64_t now_ms, struct schedule_tick *ret);

/* Drops all demand. */
void schedule_reset(struct schedule *s);
void schedule_set_rate(struct schedule *s, const struct msg_stats_rate *rate, uint64_t now_ms);
void schedule_set_eager(struct schedule *s, bool is_eager, uint64_t now_ms);
bool schedule_is_watched(const struct schedule *s, const char *id); /* by the rate */

/* For readings with an interval of their own: true if due, and then the next one is scheduled. */
bool schedule_is_host_due(struct schedule *s, uint64_t now_ms); /* file systems, temperatures */
bool schedule_is_api_due(struct schedule *s, uint64_t now_ms);  /* the Engine API */
