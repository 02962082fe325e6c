#pragma once

/*
 * container_stats (payload of an event) and stats (a flat message about the host itself).
 */

#include "proto/codec.h"

struct msg_container_stats {
    char *container_id;
    char *container_name; /* without a leading slash */
    double cpu_percent;   /* 100 per core */
    int64_t memory_usage, memory_limit;
    double memory_percent;
    int64_t network_rx, network_tx, disk_read, disk_write; /* cumulative bytes */
    char *timestamp;                                       /* RFC 3339 */
};

struct msg_host_stats {
    double cpu_percent, mem_percent, net_bytes_per_sec;
};

/*
 * Reads the flat form and the nested one ({"container_id", "stats": {...}}). Encodes the flat one.
 */
int msg_container_stats_decode(const json_t *v, struct msg_container_stats *ret, struct error *err)
    _nodiscard_;
json_t *msg_container_stats_encode(const struct msg_container_stats *m) _nodiscard_;
void msg_container_stats_done(struct msg_container_stats *m);

/* The whole message {"type":"stats","stats":{...}}. */
int msg_host_stats_decode(const json_t *v, struct msg_host_stats *ret, struct error *err)
    _nodiscard_;
json_t *msg_host_stats_encode(const struct msg_host_stats *m) _nodiscard_;
