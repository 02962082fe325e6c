#pragma once

/*
 * The model behind `dockmon stats`: what the server's feed has sent so far, and which rows that
 * makes. No input or output; stats.c reads the WebSocket and draws.
 *
 * The feed (/ws, see docs/protocol.md) sends a state when a client subscribes, in parts, and
 * updates after that. stats_state_take() applies both to three objects: hosts by id, containers by
 * key, and metrics by the same ids and keys. A container's key is "HOST_ID/ID" with 12 digits of
 * its id, as the feed names containers in its topics. After a new connection the state begins again
 * from nothing.
 *
 * Terms: a subject is the host or container of a row; its metrics are the newest values that are
 * known, or NULL if they are older than STATS_STALE_MS or the subject cannot have any (stopped,
 * offline). A topic is what the client subscribes to for the metrics of a row.
 *
 * Times of the feed are those of the server's clock. The newest one (told_ms) and the monotonic
 * time of its arrival (heard_ms) together give the server's time now, whatever the clock of this
 * machine says.
 */

#include "base/error.h"
#include "cli/containers/ps_filter.h"
#include "cli/stats/stats_table.h"
#include <jansson.h>
#include <stdint.h>

#define STATS_STALE_MS 60000 /* older metrics say nothing about the present */

/* The selection of the user. */
struct stats_wanted {
    bool hosts;                    /* hosts instead of containers */
    struct ps_selection selection; /* of containers */
    const json_t *named;           /* the hosts or containers that were named; NULL: all */
};

struct stats_state {
    const struct stats_wanted *wanted; /* borrowed */
    json_t *hosts, *containers;        /* by id, and by key */
    json_t *metrics;                   /* by the same ids and keys */
    int64_t told_ms;                   /* the server's time of the newest message; 0: none yet */
    uint64_t heard_ms;                 /* the monotonic time when it arrived */
};

void stats_state_init(struct stats_state *s, const struct stats_wanted *wanted);
void stats_state_done(struct stats_state *s);

/* Applies a message of the feed, a state or an update; ignores others. */
void stats_state_take(struct stats_state *s, const json_t *message, uint64_t monotonic_ms);

/*
 * The rows to show now, to be freed. They borrow from *ret_list, the caller's, and from `s` until
 * the next message.
 */
struct stats_row *stats_state_rows(const struct stats_state *s,
                                   uint64_t monotonic_ms,
                                   json_t **ret_list,
                                   size_t *ret_n);

/* Whether the row's metrics are complete and newer than `after_ms`, or the row cannot have any. */
bool stats_state_is_fresh(const struct stats_state *s,
                          const struct stats_row *row,
                          int64_t after_ms);

/* The topics to subscribe to for these rows: an object with the topics as keys; the caller's. */
json_t *stats_state_topics(const struct stats_state *s, const struct stats_row *rows, size_t n);
