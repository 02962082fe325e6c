#pragma once

/*
 * What the kernel counts per container, read from the files of cgroup v1 and v2. Descriptors stay open from
 * the first reading on, as long as there are enough of them, and are read with pread().
 *
 * Paths come from /proc/PID/cgroup, which is right for every driver and parent. Where it shows them relative to
 * another namespace, or cannot be read, the usual places are tried, and then a bounded search is made for a folder
 * with the container's id in its name.
 */

#include "base/error.h"
#include "proto/metric.h"
#include <stdbool.h>

struct cgroup_fs; /* where the files are */
struct cgroup;    /* of one container */

/*
 * Looks below `root`/sys/fs/cgroup; `root` is "", "/host" where the host's file systems are mounted into the
 * agent's container, or a folder of a test. -ENOENT and why when there are no usable files.
 */
int cgroup_fs_new(struct cgroup_fs **ret, const char *root, struct error *err) _nodiscard_;
void cgroup_fs_free(struct cgroup_fs *fs); /* after its cgroups */
DEFINE_CLEANUP(struct cgroup_fs *, cgroup_fs_free);

const char *cgroup_fs_name(const struct cgroup_fs *fs); /* "cgroup1" or "cgroup2" */

/* Texts about controllers that this kernel does not have, at most CGROUP_MAX_NOTES; NULL ends. */
#define CGROUP_MAX_NOTES 4
const char *cgroup_fs_note(const struct cgroup_fs *fs, size_t i);

/*
 * At most this many descriptors are kept open for all containers together; beyond it files are opened for every
 * reading. What the process may have, less a reserve, when it was made.
 */
void cgroup_fs_set_max_open(struct cgroup_fs *fs, size_t max);
size_t cgroup_fs_n_open(const struct cgroup_fs *fs);

/* `pid`: a process of the container, as the host counts; 0: not known. -ENOENT: its files are not to be found. */
int cgroup_open(struct cgroup **ret,
                struct cgroup_fs *fs,
                int64_t pid,
                const char *id,
                struct error *err) _nodiscard_;
void cgroup_close(struct cgroup *cg); /* NULL is fine */
DEFINE_CLEANUP(struct cgroup *, cgroup_close);

/*
 * Fills the members of `values` that come from these files; those that are not known are left alone. The limit is
 * as it was set, INT64_MAX without one. What is dear or hardly changes is read when `is_thorough`, or when the memory in use has
 * changed noticeably, and else repeated. -ENODEV: the container has ended.
 */
int cgroup_read(struct cgroup *cg, bool is_thorough, int64_t *values) _nodiscard_;
