#pragma once

/*
 * `dockmond health`: asks the server that runs with this configuration how it is, for health checks of
 * containers, which have no other program. Prints the answer of /health; exit status 0 when it is 200.
 */

#include <stdbool.h>

/* `host` is the address that the server listens on, NULL or "" for all. Returns an exit status. */
int health_command_run(const char *host, unsigned port, bool is_tls);
