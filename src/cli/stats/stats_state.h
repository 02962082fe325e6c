#pragma once

/*
 * What the feed has told `dockmon stats` so far: containers or hosts and their newest figures, and which of them are
 * shown. No input or output.
 */

#include "base/error.h"
#include "cli/containers/ps_filter.h"
#include "cli/stats/stats_table.h"
#include <jansson.h>
#include <stdint.h>

#define STATS_STALE_MS 60000 /* figures older than this say nothing about now */

struct stats_wanted {
    bool hosts;                    /* hosts instead of containers */
    struct ps_selection selection; /* of containers */
    const json_t *named;           /* elements of the lists that were named; NULL: all */
};

struct stats_state {
    const struct stats_wanted *wanted; /* borrowed */
    json_t *hosts, *containers;        /* by id, and "HOST/ID" of 12 digits */
    json_t *figures;                   /* by the same keys */
    int64_t told_ms;                   /* the server's time of the newest message; 0: none came */
    uint64_t heard_ms;                 /* ... and ours, monotonic */
};

void stats_state_init(struct stats_state *s, const struct stats_wanted *wanted);
void stats_state_done(struct stats_state *s);

/* A message of the feed, state or update; others are passed over. */
void stats_state_take(struct stats_state *s, const json_t *message, uint64_t monotonic_ms);

/* What is shown now, to be freed; its rows borrow from `s` until the next message. `ret_list` keeps them, the caller's. */
struct stats_row *stats_state_rows(const struct stats_state *s,
                                   uint64_t monotonic_ms,
                                   json_t **ret_list,
                                   size_t *ret_n);

/* Whether a row's figures were measured after `after_ms` of the server's clock and are all there, or cannot be. */
bool stats_state_is_fresh(const struct stats_state *s,
                          const struct stats_row *row,
                          int64_t after_ms);

/* The topics to subscribe to for these rows: an object with the topics as keys; the caller's. */
json_t *stats_state_topics(const struct stats_state *s, const struct stats_row *rows, size_t n);
