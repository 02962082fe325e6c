#pragma once

/*
 * One container that is measured: its open files, what was read last, and what follows from two readings. Storage
 * is the collector's.
 */

#include "agent/stats/api_stats.h"
#include "agent/stats/cgroup.h"
#include "agent/stats/network.h"
#include "agent/stats/parse.h"
#include "agent/stats/running.h"

struct target {
    struct running running;
    struct cgroup *cg;         /* NULL: by the Engine API */
    struct network_entry *net; /* NULL: the host's network, or it cannot be read */
    struct api_sample *api;    /* the last, NULL: none yet */
    bool is_watched;
    bool is_fresh; /* values were read since the last batch */
    int64_t usage,
        ticks;        /* CPU: of the reading that the next is compared with; METRIC_NONE: none */
    uint64_t base_ms; /* when that was, monotonic */
    int64_t values[CONTAINER_METRICS];
};

struct target_sources {   /* borrowed */
    struct cgroup_fs *fs; /* NULL: everything by the Engine API */
    struct network *net;
    int64_t host_memory; /* bytes, METRIC_NONE when unknown */
};

/* Opens what can be opened, and takes the reading that the first one is compared with. `err`: why there are no files. */
void target_open(struct target *t,
                 const struct target_sources *s,
                 const struct running *r,
                 const struct stats_cpu *cpu,
                 struct error *err);
void target_done(struct target *t); /* closes everything */

/* -ENODEV: the container has ended. Those without files are left as they are. */
int target_read(struct target *t,
                const struct target_sources *s,
                const struct stats_cpu *cpu,
                bool is_thorough) _nodiscard_;
void target_use_api(struct target *t,
                    const struct target_sources *s,
                    const struct api_sample *sample);
void target_drop_files(struct target *t); /* from now on by the Engine API */

/*
 * Docker's formula in hundredths of a percent: time used (µs) over ticks of all CPUs, times CPUs online.
 * METRIC_NONE when either has not grown as it should: another subject, or no time has passed.
 */
int64_t target_cpu(int64_t usage_us, int64_t ticks, int64_t n_cpus);
