#pragma once

/*
 * Figures of the host itself, from /proc and /sys.
 */

#include "proto/samples.h"

struct host_stats;

struct host_stats_options {
    const char *root; /* as for cgroup_fs_new(); copied */
    /* This process is in a container, and `root` is "": what is namespaced is its own and not the host's. */
    bool is_contained;
};

struct host_stats *host_stats_new(const struct host_stats_options *o);
void host_stats_free(struct host_stats *h);
DEFINE_CLEANUP(struct host_stats *, host_stats_free);

/*
 * Clock ticks of all CPUs, at the beginning of every tick; `n` is 0 when they cannot be read. Valid until the next
 * call.
 */
const struct stats_cpu *host_stats_read_cpu(struct host_stats *h);
int64_t host_stats_memory(struct host_stats *h); /* bytes; METRIC_NONE when not known */

/*
 * Everything but the numbers of containers; the CPU is the mean since the call before. Mounts and temperatures are
 * read when `is_thorough`, and else repeated. What *ret points to lasts until the next call.
 */
void host_stats_read(struct host_stats *h, bool is_thorough, struct host_sample *ret);
