#pragma once

/* `start -a`, which is run by operate.c. */

#include "cli/common/client.h"

/*
 * Starts the container that `word` names, and prints its output until it stops. Returns the exit
 * code of the container; 130 after SIGINT, which leaves the container running; 1 after an error,
 * which is printed.
 */
int start_attached(struct client *c, const char *word);
