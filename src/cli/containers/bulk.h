#pragma once

/*
 * An operation on many containers as one job of the server, instead of a request for each
 * container. The server runs a few of them at a time on each host and goes on after a failure; the
 * job can be watched and cancelled by others meanwhile, and it continues when this program is
 * stopped.
 */

#include "cli/common/args.h"
#include "cli/common/client.h"

#define BULK_MIN 11 /* fewer containers get a request each */
#define BULK_MAX 1000

/*
 * Waits until the job has ended and prints the result of each container; returns the exit code.
 * Takes ownership of `options`.
 */
int bulk_run(struct client *c, const char *action, json_t *options, const struct args_list *words);
