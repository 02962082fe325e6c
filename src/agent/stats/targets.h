#pragma once

/*
 * The set of running containers that are measured, by id. Storage is the caller's.
 */

#include "agent/stats/target.h"
#include "base/map.h"

struct targets {       /* zeroed: empty */
    struct map by_id;  /* struct target */
    size_t n_by_files; /* of them; the others are read through the Engine API */
};

void targets_done(struct targets *ts);

/* NULL: the container is not measured */
struct target *targets_find(const struct targets *ts, const char *id);
/* The container must not be in the set. `err`: why its files cannot be opened, if they cannot. */
struct target *targets_add(struct targets *ts,
                           const struct target_sources *s,
                           const struct running *r,
                           const struct stats_cpu *cpu,
                           struct error *err);
void targets_remove(struct targets *ts, const char *id); /* harmless if it is not in the set */
/* Closes all files; from now on the containers are read through the Engine API. */
void targets_drop_files(struct targets *ts);

/* The container that has run longest and was read by files at least once; NULL: none. */
const struct target *targets_oldest(const struct targets *ts);
