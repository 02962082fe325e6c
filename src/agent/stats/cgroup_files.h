#pragma once

/*
 * The two versions of cgroups: which files exist, and how their text is read. Used by cgroup.c.
 */

#include "base/error.h"
#include "proto/metric.h"
#include <stdbool.h>

#define CGROUP_CONTROLLERS 5 /* v2 has a single tree: the first one */
#define CGROUP_MAX_FILES   12

struct cgroup_values {
    int64_t metrics[CONTAINER_METRICS];
    int64_t mem_usage, mem_inactive; /* the parts of mem_used */
};

struct cgroup_file {
    size_t controller;
    const char *names[2]; /* the first one that exists */
    bool is_hot;          /* cheap: read every time */
    void (*read)(const char *text, struct cgroup_values *v);
};

struct cgroup_controller {
    const char *dirs[3]; /* below the mount point, the first one that exists; v2: "" */
    const char *name;    /* in /proc/PID/cgroup; NULL: the line of v2 */
};

struct cgroup_version {
    const char *name;
    const struct cgroup_file *files;
    size_t n_files;
    const struct cgroup_controller *controllers;
    size_t n_controllers;
};

/* Detects the version in use below `root`/sys/fs/cgroup; adds notes (up to CGROUP_MAX_NOTES) on
 * controllers that are missing. */
int cgroup_version_find(const char *root,
                        const struct cgroup_version **ret,
                        const char **notes,
                        struct error *err) _nodiscard_;

void cgroup_values_clear(struct cgroup_values *v);
void cgroup_values_use(struct cgroup_values *v); /* computes mem_used from its parts */
