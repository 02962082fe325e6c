#pragma once

/* Pauses between two rounds of requests about the same thing, which a signal can end. */

#include "cli/common/client.h"

struct polling {
    struct client *client;
    int signal; /* that has arrived since polling_start(), or 0 */
    bool is_pausing;
};

/* Catches SIGINT, SIGTERM and SIGHUP from now on: polling_pause() returns, and `signal` is set. */
int polling_start(struct polling *p, struct client *c, struct error *err) _nodiscard_;
/* Without polling_start(), set `client` only; a signal ends the process then. */
void polling_pause(struct polling *p, uint64_t ms);
/* The exit code after `signal`, as in a shell. */
int polling_exit_code(const struct polling *p);
