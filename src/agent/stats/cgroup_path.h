#pragma once

/*
 * Finds the cgroup directories of a container. Used by cgroup.c.
 */

#include "agent/stats/cgroup_files.h"

struct cgroup_places;

struct cgroup_places *cgroup_places_new(const struct cgroup_version *version, const char *root);
void cgroup_places_free(struct cgroup_places *places);

/* See cgroup_has_process(). */
bool cgroup_places_has_process(const struct cgroup_places *places, int64_t pid, const char *id);

/* Fills dirs[] (zeroed before) with paths, owned by the caller; NULL where there is no such
 * controller. */
int cgroup_places_find(struct cgroup_places *places,
                       int64_t pid,
                       const char *id,
                       char *dirs[CGROUP_CONTROLLERS],
                       struct error *err) _nodiscard_;
