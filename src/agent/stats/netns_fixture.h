#pragma once

/*
 * For tests with network namespaces of their own: the test's, and those of children, which it joins
 * by `ip`. Needs root.
 */

#include "base/macros.h"
#include <stdbool.h>
#include <sys/types.h>

/*
 * The test moves into a new one, so that nothing outside is touched. False: it may not, or there is
 * no `ip`.
 */
bool netns_enter(void);

/* Words are separated by single spaces; fails the test unless it ends with 0. */
void netns_run(const char *fmt, ...) _printf_(1, 2);

/* A process in a network namespace of its own that waits until it is stopped, or the test ends. */
pid_t netns_child_start(void);
void netns_child_stop(pid_t pid);
