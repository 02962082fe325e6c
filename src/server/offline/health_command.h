#pragma once

/*
 * `dockmond health` requests /health from the server that runs on the data directory, for health
 * checks in images that contain no other program. Prints the response; the exit status is 0 when
 * the server responds with 200.
 */

#include <stdbool.h>

/* `host` is the address that the server listens on; NULL or "" means all. Returns the exit
 * status. */
int health_command_run(const char *host, unsigned port, bool is_tls);
