#pragma once

/*
 * `dockmond health`: asks the server that runs with this configuration how it is, for health checks of
 * containers, which have no other program. Prints the answer of /health; exit status 0 when it is 200.
 */

#include "server/config.h"

int health_command_run(const struct config *config);
