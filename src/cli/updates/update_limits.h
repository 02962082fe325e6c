#pragma once

/*
 * `dockmon update` with the flags of `docker update`: limits and the restart policy, which change in
 * place, without another container.
 */

#include "cli/common/args.h"
#include "cli/common/client.h"

/* The values of the flags as they were given; NULL: not given. */
struct update_limits {
    const char *memory, *memory_reservation, *memory_swap;
    const char *cpus, *cpu_shares, *cpu_period, *cpu_quota, *cpuset_cpus, *cpuset_mems;
    const char *pids_limit, *blkio_weight, *restart;
};

/*
 * The body of the request; *ret is NULL when no flag was given. The server checks the ranges.
 * -EINVAL names the flag whose value is malformed.
 */
int update_limits_body(const struct update_limits *limits, json_t **ret, struct error *err)
    _nodiscard_;

/* The name of the first flag that was given, or NULL. */
const char *update_limits_first(const struct update_limits *limits);

/* Sends the body to each container, and prints their words and the engine's warnings. */
int update_limits_run(struct client *c, const struct args_list *words, json_t *body);
