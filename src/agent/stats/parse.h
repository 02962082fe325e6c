#pragma once

/*
 * Parsers of the kernel's statistics files: pure functions of their text. Values are those of
 * proto/metric.h; a value that a text does not contain is METRIC_NONE. "max", and numbers that
 * exceed an int64_t, are INT64_MAX.
 */

#include "proto/metric.h"
#include <stdbool.h>

/* The number in a file that contains only that. */
int64_t stats_number(const char *text);

/*
 * Lines of "key number": sets the values of the keys that are found, leaves the others unchanged.
 */
struct stats_key {
    const char *key;
    int64_t *value;
};
void stats_find(const char *text, const struct stats_key *keys, size_t n);

/* Sums over devices. v1: "8:0 Read 4096"; v2: "8:0 rbytes=4096 wbytes=0 ...". Both are 0 for a file
 * without devices. */
void stats_io_v1(const char *text, int64_t *ret_read, int64_t *ret_written);
void stats_io_v2(const char *text, int64_t *ret_read, int64_t *ret_written);

/* The avg10 values of a pressure file, in hundredths of a percent. */
void stats_pressure(const char *text, int64_t *ret_some, int64_t *ret_full);

/* /proc/PID/net/dev: bytes over all interfaces except lo, and the number of these. */
struct stats_net {
    int64_t rx, tx;
    size_t n;
};
struct stats_net stats_net_dev(const char *text);
/* The same over the interfaces that `wants` accepts. */
struct stats_net stats_net_dev_if(const char *text, bool (*wants)(const char *name));

/* /proc/stat: clock ticks since boot over all CPUs. */
struct stats_cpu {
    int64_t docker; /* user to softirq: the divisor of the engine's formula */
    int64_t all;    /* the same and steal */
    int64_t idle;   /* idle and iowait */
    int64_t n;      /* CPUs online; 0: the text is not that of /proc/stat */
};
struct stats_cpu stats_cpu(const char *text);

/*
 * The path of a controller of v1 (by its name), or of v2 (NULL), in /proc/PID/cgroup. Points into
 * `text`; *ret_size is its length. NULL if it is not there.
 */
const char *stats_cgroup_path(const char *text, const char *controller, size_t *ret_size);

/* The three numbers of /proc/loadavg, in hundredths. */
void stats_loads(const char *text, int64_t ret[3]);
