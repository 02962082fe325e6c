#pragma once

/*
 * What becomes of samples: the newest values and the last 15 minutes of each container and host in memory, and all
 * of it into the history. Fed by sessions, read by the API. Lives on the loop.
 *
 * A container that is made anew continues the line of the one before (series.h). What was measured more than a minute
 * ago, because an agent could not send it, goes into the history only. A line without a sample for 15 minutes is
 * forgotten here.
 */

#include "net/loop.h"
#include "proto/samples.h"
#include "server/fleet/fleet_listener.h"
#include "server/history/history.h"
#include "server/history/ring.h"
#include "server/stats/series.h"
#include "server/store/events.h"

struct stats;

struct stats_options {
    struct loop *loop;
    struct fleet *fleet;     /* which it listens to */
    struct history *history; /* NULL: none is kept */
    /* of the last 15 minutes of all hosts (ring.h); 0: no limit */
    size_t max_live_bytes;
    int64_t (*utc_ms)(void); /* NULL: time_utc_ms */
};

struct stats *stats_new(const struct stats_options *o);
void stats_free(struct stats *s); /* NULL is fine */


/* What is known of a container or a host. */
struct stats_line {
    char *series;                         /* NULL: the host */
    char id[CONTAINER_ID_SIZE];           /* of the container that told last */
    char before[CONTAINER_SHORT_ID_SIZE]; /* of the one before it, "": none: its end is told late */
    uint64_t named_version; /* containers_version of the host when the series was named */
    int64_t at_ms;          /* of the newest values; 0: none yet */
    int64_t values[CONTAINER_METRICS];
    struct ring ring;
};

/* container_id: of 64 digits, or NULL for the host. NULL: nothing was measured in the last minutes. */
const struct stats_line *stats_find(const struct stats *s,
                                    const char *host_id,
                                    const char *container_id);

/* What the last 15 minutes of all hosts take. */
struct ring_pool stats_live_memory(const struct stats *s);

/* What a ring's columns are. */
enum stats_column {
    STATS_CPU,
    STATS_MEM_USED,
    STATS_MEM_LIMIT,
    STATS_NET_RX,
    STATS_NET_TX,
    STATS_BLK_READ,  /* of containers only */
    STATS_BLK_WRITE, /* the same */
    STATS_STARTED,   /* changes when counters start over */
};
