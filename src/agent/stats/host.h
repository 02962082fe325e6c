#pragma once

/*
 * Metrics of the host itself, from /proc and /sys.
 */

#include "proto/samples.h"

struct host_stats;

struct host_stats_options {
    const char *root; /* as for cgroup_fs_new(); copied */
    /* This process is in a container, and `root` is "": files that depend on a namespace show the
     * container, not the host. */
    bool is_contained;
};

struct host_stats *host_stats_new(const struct host_stats_options *o);
void host_stats_free(struct host_stats *h);
DEFINE_CLEANUP(struct host_stats *, host_stats_free);

/*
 * Reads the clock ticks of all CPUs; call at the beginning of every tick. `n` is 0 if they cannot
 * be read. Valid until the next call.
 */
const struct stats_cpu *host_stats_read_cpu(struct host_stats *h);
int64_t host_stats_memory(struct host_stats *h); /* bytes; METRIC_NONE if unknown */

/*
 * Reads everything except the numbers of containers. The CPU usage is the mean since the last call.
 * Mounts and temperatures are read if `is_thorough`, else repeated. Pointers in *ret are valid
 * until the next call.
 */
void host_stats_read(struct host_stats *h, bool is_thorough, struct host_sample *ret);
