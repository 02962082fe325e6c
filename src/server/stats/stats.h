#pragma once

/*
 * Live statistics: the newest sample and the last 15 minutes of every host and container, in
 * memory. It listens to the fleet, adds all samples to the history as well, and is read by the API.
 * Lives on the loop.
 *
 *   series       the samples of one container, or of a host. It is named by something that outlives
 *                a container (series.h), so that a re-created container continues the same series
 *   late         a batch that was measured more than a minute ago, because the agent could not send
 *                it: it goes into the history only
 *   mark         an event of a container (started, died, updated, ...) that the history shows on
 *                its series
 *   early mark   a mark of a container that no list has contained yet: it waits a few seconds,
 *                because events arrive before lists
 *   ring         the last 15 minutes of a series (history/ring.h); all rings share one pool of
 *                memory
 *
 * Per batch, in this order and in one function: the series of each container is found or made, its
 * ring and the history's sums get the values, and then the history notes the position of the batch,
 * which it later reports as written. A series without a sample for 15 minutes is forgotten here.
 *
 * A struct stats_series is borrowed: it is valid until control returns to the loop.
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
    struct fleet *fleet;     /* borrowed; listened to */
    struct history *history; /* borrowed; NULL: no history */
    size_t max_live_bytes;   /* of all rings together; 0: no maximum */
    int64_t (*utc_ms)(void); /* NULL: time_utc_ms */
};

struct stats *stats_new(const struct stats_options *o);
void stats_free(struct stats *s); /* NULL is fine */

/* The state of the series of a container or a host. */
struct stats_series {
    char *series;               /* NULL: the host */
    char id[CONTAINER_ID_SIZE]; /* the container with the newest sample */
    /* The container before it; "": none. Its last events may arrive late. */
    char before[CONTAINER_SHORT_ID_SIZE];
    uint64_t named_version; /* containers_version of the host when `series` was set */
    int64_t at_ms;          /* of the newest sample; 0: none yet */
    int64_t values[CONTAINER_METRICS];
    struct ring ring;
};

/* container_id: 64 digits, or NULL for the host. Returns NULL if there is no recent sample. */
const struct stats_series *stats_find(const struct stats *s,
                                      const char *host_id,
                                      const char *container_id);

/* The name of the container's series in the history. */
void stats_name(const struct stats *s,
                const struct fleet_host *h,
                const struct fleet_container *c,
                char ret[STATS_SERIES_SIZE]);

/* The memory of all rings. */
struct ring_pool stats_live_memory(const struct stats *s);

/* The columns of a ring. */
enum stats_column {
    STATS_CPU,
    STATS_MEM_USED,
    STATS_MEM_LIMIT,
    STATS_NET_RX,
    STATS_NET_TX,
    STATS_BLK_READ,  /* containers only */
    STATS_BLK_WRITE, /* containers only */
    STATS_STARTED,   /* changes when the counters restart */
};
