#pragma once

/*
 * The request that creates the process of a shell in the engine.
 */

#include "proto/shell.h"

/* Returns JSON text. The default command is bash, or sh without it. `mark`: see exec_killer.h. */
char *exec_request_write(const struct msg_shell_session *start, const char *mark);
