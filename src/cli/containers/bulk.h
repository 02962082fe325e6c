#pragma once

/*
 * An operation on many containers: one job of the server instead of a request for each.
 */

#include "cli/common/args.h"
#include "cli/common/client.h"

#define BULK_FROM 11 /* fewer are asked for one by one */
#define BULK_MAX  1000

/* Runs it to its end, prints what worked and what did not; returns the exit code. `options` is stolen. */
int bulk_run(struct client *c, const char *action, json_t *options, const struct args_list *words);
