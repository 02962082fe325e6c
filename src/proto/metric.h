#pragma once

/*
 * The metrics: one table of names, units and kinds for containers and one for hosts. They define
 * the order on the wire (proto/samples.h), and the names in REST and in the history. Values are
 * int64_t; METRIC_NONE means unknown and is never replaced by 0.
 *
 * A counter only grows, and restarts from 0 with its object (a container restarts, the host boots).
 * The counter itself is sent and stored, so that a lost sample costs resolution and not bytes. A
 * reader that sees it shrink takes the new value as the growth. A gauge is a value at the time of
 * the sample; CPU is the mean since the previous sample.
 *
 * New metrics are appended, because the numbers of existing ones never change.
 */

#include "base/macros.h"
#include <stddef.h>
#include <stdint.h>

#define METRIC_NONE INT64_MIN

enum metric_kind { METRIC_GAUGE, METRIC_COUNTER };

enum metric_unit {
    METRIC_COUNT,
    METRIC_BYTES,
    METRIC_CENTI_PERCENT, /* 1234 is 12.34 % */
    METRIC_CENTI,         /* 123 is 1.23 */
    METRIC_MICROSECONDS,
    METRIC_SECONDS,
    METRIC_UTC_MS, /* milliseconds since 1970 */
};

struct metric {
    const char *name;
    enum metric_unit unit;
    enum metric_kind kind;
};

enum container_metric {
    CONTAINER_CPU, /* 100 % is one core: Docker's formula, d(usage) / d(system) * online CPUs */
    CONTAINER_CPU_TIME,      /* used since the start */
    CONTAINER_CPU_PERIODS,   /* quota periods that have passed; none without a quota */
    CONTAINER_CPU_THROTTLED, /* quota periods in which it was throttled */
    CONTAINER_CPU_THROTTLED_TIME,
    CONTAINER_MEM_USED,  /* as `docker stats` shows it: without inactive file cache */
    CONTAINER_MEM_LIMIT, /* of the container, at most the memory of the host */
    CONTAINER_MEM_ANON,
    CONTAINER_MEM_FILE, /* page cache, shared memory included */
    CONTAINER_MEM_KERNEL,
    CONTAINER_PIDS,
    CONTAINER_NET_RX, /* bytes over all interfaces but lo; none with the host's network */
    CONTAINER_NET_TX,
    CONTAINER_BLK_READ, /* bytes that reached a block device */
    CONTAINER_BLK_WRITE,
    CONTAINER_OOM_KILLS, /* processes killed because its memory ran out */
    /* pressure: share of the last 10 s in which some or all processes waited */
    CONTAINER_PSI_CPU_SOME,
    CONTAINER_PSI_CPU_FULL,
    CONTAINER_PSI_MEM_SOME,
    CONTAINER_PSI_MEM_FULL,
    CONTAINER_PSI_IO_SOME,
    CONTAINER_PSI_IO_FULL,
    CONTAINER_RESTARTS,   /* by the engine, following the restart policy */
    CONTAINER_STARTED_AT, /* counters are not comparable across a change of it */
    CONTAINER_METRICS,
};

enum host_metric {
    HOST_CPU,  /* 100 % is all cores */
    HOST_CPUS, /* online */
    HOST_LOAD_1,
    HOST_LOAD_5,
    HOST_LOAD_15,
    HOST_MEM_TOTAL,
    HOST_MEM_USED, /* total - available */
    HOST_SWAP_TOTAL,
    HOST_SWAP_USED,
    HOST_NET_RX, /* bytes over external interfaces: not lo, veth, bridges, tunnels */
    HOST_NET_TX,
    HOST_UPTIME,
    HOST_CONTAINERS, /* all */
    HOST_CONTAINERS_RUNNING,
    HOST_METRICS,
};

extern const struct metric container_metrics[CONTAINER_METRICS];
extern const struct metric host_metrics[HOST_METRICS];

/* The index of a name in a table of `n`, or -ENOENT. */
int metric_find(const struct metric *table, size_t n, const char *name) _nodiscard_;
