#pragma once

/*
 * The local file systems of the host with their space and I/O, and its temperature sensors. Used by
 * host.c. Network file systems are left out: the agent would hang if their server did not answer.
 */

#include "proto/samples.h"

/* A line of mountinfo that is reported. */
struct mount_line {
    char *path, *device, *type; /* unescaped */
    unsigned major, minor;
};

/* Parses the text of a mountinfo: at most SAMPLES_MAX_MOUNTS, one per device, in order. */
struct mount_table {
    struct mount_line lines[SAMPLES_MAX_MOUNTS];
    size_t n;
};
void mount_table_parse(const char *text, struct mount_table *ret);
void mount_table_done(struct mount_table *t);

/* Finds the device in the text of diskstats: bytes since boot, METRIC_NONE if it is not listed. */
void mount_io(const char *diskstats,
              const struct mount_line *line,
              int64_t *ret_read,
              int64_t *ret_written);

/* Reads sensors below `root`/sys; the caller frees the labels. Returns their number, at most
 * SAMPLES_MAX_TEMPERATURES. */
size_t temperatures_read(const char *root, struct temperature_sample *ret);
