#pragma once

/*
 * Readers of what the kernel's statistics files say: pure functions over their text. The values are those of
 * proto/metric.h; what a text does not say is METRIC_NONE. Numbers that an int64_t cannot hold, and "max", are
 * INT64_MAX.
 */

#include "proto/metric.h"
#include <stdbool.h>

/* The number a file consists of. */
int64_t stats_number(const char *text);

/* Lines of "key number": fills the values of the keys that are there, leaves the others alone. */
struct stats_key {
    const char *key;
    int64_t *value;
};
void stats_find(const char *text, const struct stats_key *keys, size_t n);

/* Sums over devices. v1: "8:0 Read 4096"; v2: "8:0 rbytes=4096 wbytes=0 ...". A file without devices is 0 and 0. */
void stats_io_v1(const char *text, int64_t *ret_read, int64_t *ret_written);
void stats_io_v2(const char *text, int64_t *ret_read, int64_t *ret_written);

/* The avg10 of a pressure file, hundredths of a percent. */
void stats_pressure(const char *text, int64_t *ret_some, int64_t *ret_full);

/* /proc/PID/net/dev: bytes over all interfaces but lo, and how many those are. */
struct stats_net {
    int64_t rx, tx;
    size_t n;
};
struct stats_net stats_net_dev(const char *text);
/* The same over those whose name `wants` likes. */
struct stats_net stats_net_dev_if(const char *text, bool (*wants)(const char *name));

/* /proc/stat: clock ticks since boot over all CPUs. */
struct stats_cpu {
    int64_t docker; /* user to softirq: what the engine divides by */
    int64_t all;    /* ... and steal */
    int64_t idle;   /* idle and iowait */
    int64_t n;      /* CPUs online, 0: the text is no such file */
};
struct stats_cpu stats_cpu(const char *text);

/*
 * The path in /proc/PID/cgroup of a controller of v1 (its name), or of v2 (NULL). Points into `text`; *ret_size is its
 * length. NULL: it is not there.
 */
const char *stats_cgroup_path(const char *text, const char *controller, size_t *ret_size);

/* A file of /proc/loadavg's kind: three numbers in hundredths. */
void stats_loads(const char *text, int64_t ret[3]);
