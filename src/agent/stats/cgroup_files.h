#pragma once

/*
 * The two versions of cgroups: which files there are, and what to make of their text. For cgroup.c.
 */

#include "base/error.h"
#include "proto/metric.h"
#include <stdbool.h>

#define CGROUP_CONTROLLERS 5 /* v2 has one tree: the first */
#define CGROUP_MAX_FILES   12

struct cgroup_values {
    int64_t metrics[CONTAINER_METRICS];
    int64_t mem_usage, mem_inactive; /* what mem_used is made of */
};

struct cgroup_file {
    size_t controller;
    const char *names[2]; /* the first that is there */
    bool is_hot;          /* cheap, and read every time */
    void (*read)(const char *text, struct cgroup_values *v);
};

struct cgroup_controller {
    const char *dirs[3]; /* below the mount point, the first that is there; v2: "" */
    const char *name;    /* in /proc/PID/cgroup; NULL: v2's line */
};

struct cgroup_version {
    const char *name;
    const struct cgroup_file *files;
    size_t n_files;
    const struct cgroup_controller *controllers;
    size_t n_controllers;
};

/* The version in use below `root`/sys/fs/cgroup, and notes (of CGROUP_MAX_NOTES) on what it lacks. */
int cgroup_version_find(const char *root,
                        const struct cgroup_version **ret,
                        const char **notes,
                        struct error *err) _nodiscard_;

void cgroup_values_clear(struct cgroup_values *v);
void cgroup_values_use(struct cgroup_values *v); /* makes mem_used of its parts */
