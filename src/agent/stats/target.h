#pragma once

/*
 * A target is one container that is measured: its open files, its last values, and the rates
 * between two readings. Storage is the caller's.
 */

#include "agent/stats/api_stats.h"
#include "agent/stats/cgroup.h"
#include "agent/stats/network.h"
#include "agent/stats/parse.h"
#include "agent/stats/running.h"

struct target {
    struct running running;
    struct cgroup *cg;         /* NULL: read through the Engine API */
    struct network_entry *net; /* NULL: the host's network, or it cannot be read */
    struct api_sample *api;    /* the last one; NULL: none yet */
    bool is_watched;
    bool is_fresh;        /* values were read since the last batch */
    int64_t usage, ticks; /* CPU: base of the next comparison; METRIC_NONE: none */
    uint64_t base_ms;     /* time of that reading, monotonic */
    int64_t values[CONTAINER_METRICS];
};

struct target_sources {   /* borrowed */
    struct cgroup_fs *fs; /* NULL: everything is read through the Engine API */
    struct network *net;
    int64_t host_memory; /* bytes; METRIC_NONE: unknown */
};

/* Opens the files that exist, and takes the first reading to compare with. `err`: why there are no
 * files. */
void target_open(struct target *t,
                 const struct target_sources *s,
                 const struct running *r,
                 const struct stats_cpu *cpu,
                 struct error *err);
void target_done(struct target *t); /* closes everything */

/* -ENODEV: the container has ended. Does nothing without files. */
int target_read(struct target *t,
                const struct target_sources *s,
                const struct stats_cpu *cpu,
                bool is_thorough) _nodiscard_;
void target_use_api(struct target *t,
                    const struct target_sources *s,
                    const struct api_sample *sample);
void target_drop_files(struct target *t); /* from now on it is read through the Engine API */

/*
 * Docker's formula, in hundredths of a percent: time used (µs) over ticks of all CPUs, times CPUs
 * online. METRIC_NONE if either has not grown as expected: the subject was restarted, or no time
 * has passed.
 */
int64_t target_cpu(int64_t usage_us, int64_t ticks, int64_t n_cpus);
