#pragma once

/*
 * `dockmon-agent --check`: checks the data directory, the engine and the server in this order, and
 * prints one line for each result: "ok", "note" or "WRONG", with advice. It changes nothing on the
 * server. It runs the loop itself and returns after the last check.
 */

#include "agent/config/config.h"
#include "base/buf.h"
#include "net/loop.h"
#include <stdbool.h>

#define CHECK_MAX_TEXT ((size_t)64 * 1024)

/* Appends the lines to `out`; returns false if any check failed. */
bool check_run(struct loop *loop, const struct config *config, struct buf *out);
