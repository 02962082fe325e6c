#pragma once

/*
 * `dockmon update --rings`: a batch of updates, which the server carries out ring after ring and
 * stops at the first failure.
 */

#include "cli/common/args.h"
#include "cli/common/client.h"

struct update_batch_options {
    const char *rings;    /* NULL: no batch */
    const char *parallel; /* updates side by side, or NULL */
    const char *pause;    /* seconds between two rings, or NULL */
    bool wait;            /* follow it to its end */
};

/* -EINVAL names the flag whose value is malformed. */
int update_batch_check(const struct update_batch_options *o, struct error *err) _nodiscard_;

/*
 * Begins the batch, and prints its id or, with `wait`, its changes. Nothing begins if one of the
 * words names no container. `options` are those of each update. Returns the exit code.
 */
int update_batch_run(struct client *c,
                     const struct args_list *words,
                     const struct update_batch_options *o,
                     json_t *options);

/* Prints the changes of a batch to its end. Returns the exit code: 0 if it is completed. */
int update_batch_follow(struct client *c, const char *id);
