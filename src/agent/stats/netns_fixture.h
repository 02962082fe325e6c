#pragma once

/*
 * Tests with network namespaces: one for the test, and one per child, which `ip` joins. Needs root.
 */

#include "base/macros.h"
#include <stdbool.h>
#include <sys/types.h>

/*
 * Moves the test into a new network namespace, so that nothing outside is affected. False: not
 * permitted, or there is no `ip`.
 */
bool netns_enter(void);

/* Runs a command, whose words are separated by single spaces; fails the test if it fails. */
void netns_run(const char *fmt, ...) _printf_(1, 2);

/* Starts a process in a network namespace of its own; it waits until it is stopped, or the test
 * ends. */
pid_t netns_child_start(void);
void netns_child_stop(pid_t pid);
