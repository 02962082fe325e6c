#pragma once

/*
 * Reads the kernel's statistics of a container from the files of cgroup v1 or v2. Files stay open
 * from the first reading on, as long as there are enough descriptors, and are read with pread().
 *
 * The path comes from /proc/PID/cgroup, which is right for every driver and parent. If that cannot
 * be read, or shows a path relative to another namespace, the usual places are tried, then a
 * bounded search for a directory with the container's id in its name.
 */

#include "base/error.h"
#include "proto/metric.h"
#include <stdbool.h>

struct cgroup_fs; /* the cgroup file system */
struct cgroup;    /* the files of one container */

/*
 * Uses the files below `root`/sys/fs/cgroup. `root` is "", or "/host" if the host's file systems
 * are mounted into the agent's container, or a directory of a test. -ENOENT with a reason if there
 * are no usable files.
 */
int cgroup_fs_new(struct cgroup_fs **ret, const char *root, struct error *err) _nodiscard_;
void cgroup_fs_free(struct cgroup_fs *fs); /* after all of its cgroups were closed */
DEFINE_CLEANUP(struct cgroup_fs *, cgroup_fs_free);

const char *cgroup_fs_name(const struct cgroup_fs *fs); /* "cgroup1" or "cgroup2" */

/* Texts about controllers that this kernel does not have, at most CGROUP_MAX_NOTES, terminated by
 * NULL. */
#define CGROUP_MAX_NOTES 4
const char *cgroup_fs_note(const struct cgroup_fs *fs, size_t i);

/*
 * Limits the descriptors that are kept open for all containers together; beyond it, files are
 * opened for every reading. The default is the process's limit at the creation, minus a reserve.
 */
void cgroup_fs_set_max_open(struct cgroup_fs *fs, size_t max);
size_t cgroup_fs_n_open(const struct cgroup_fs *fs);

/* `pid`: a process of the container, in the host's numbering; 0: unknown. -ENOENT: its files were
 * not found. */
int cgroup_open(struct cgroup **ret,
                struct cgroup_fs *fs,
                int64_t pid,
                const char *id,
                struct error *err) _nodiscard_;
/*
 * Whether the process is one of the container: its cgroups bear the container's id. The number may
 * be that of another process if the engine has another PID namespace.
 */
bool cgroup_has_process(const struct cgroup_fs *fs, int64_t pid, const char *id);
void cgroup_close(struct cgroup *cg); /* NULL is fine */
DEFINE_CLEANUP(struct cgroup *, cgroup_close);

/*
 * Sets the members of `values` that come from these files; unknown ones are left unchanged. The
 * memory limit is as configured, INT64_MAX if there is none. Expensive and slowly changing values
 * are read if `is_thorough`, or if the memory in use has changed noticeably; otherwise they are
 * repeated. -ENODEV: the container has ended.
 */
int cgroup_read(struct cgroup *cg, bool is_thorough, int64_t *values) _nodiscard_;
