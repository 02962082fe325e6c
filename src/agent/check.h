#pragma once

/*
 * `dockmon-agent --check`: looks at the data directory, the engine and the server one after the other
 * and prints one line for each: what is all right or wrong, and what to do. It changes nothing on the
 * server, runs the loop itself and returns when all is said.
 */

#include "agent/config/config.h"
#include "base/buf.h"
#include "net/loop.h"
#include <stdbool.h>

#define CHECK_MAX_TEXT ((size_t)64 * 1024)

/* Appends the lines to `out`; false when anything is wrong. */
bool check_run(struct loop *loop, const struct config *config, struct buf *out);
