#pragma once

/*
 * The local file systems of the host with their space and I/O, and its temperature sensors. For host.c. Network file systems
 * are left out: asking one whose server is away would hang the agent.
 */

#include "proto/samples.h"

/* A line of mountinfo that is worth a sample. */
struct mount_line {
    char *path, *device, *type; /* unescaped */
    unsigned major, minor;
};

/* From the text of a mountinfo: at most SAMPLES_MAX_MOUNTS, one per device, in order. */
struct mount_table {
    struct mount_line lines[SAMPLES_MAX_MOUNTS];
    size_t n;
};
void mount_table_parse(const char *text, struct mount_table *ret);
void mount_table_done(struct mount_table *t);

/* The device's line in the text of diskstats: bytes since boot, METRIC_NONE when it has none. */
void mount_io(const char *diskstats,
              const struct mount_line *line,
              int64_t *ret_read,
              int64_t *ret_written);

/* Below `root`/sys: labels are the caller's to free. Returns how many of at most SAMPLES_MAX_TEMPERATURES. */
size_t temperatures_read(const char *root, struct temperature_sample *ret);
