#pragma once

/*
 * Tests with network namespaces: one for the test, and one per child, which `ip` joins. Needs root.
 */

#include "base/alloc.h"
#include "base/macros.h"
#include <stdbool.h>
#include <sys/types.h>

/*
 * Moves the test into a new network namespace, so that nothing outside is affected. False: not
 * permitted, or there is no `ip`.
 */
bool netns_enter(void);

/* Runs a program with its arguments, split at spaces; the test fails when it does. */
#define netns_run(...) netns_run_command(xasprintf(__VA_ARGS__))
void netns_run_command(char *command); /* frees it */

/* Starts a process in a network namespace of its own; it waits until it is stopped, or the test
 * ends. */
pid_t netns_child_start(void);
void netns_child_stop(pid_t pid);
