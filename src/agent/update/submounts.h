#pragma once

/*
 * Mounts below read-only binds of a running container that can be written: whether they can is
 * kept by the engine in a flag that no API shows, so the kernel's table of mounts is read.
 */

#include <jansson.h>

/*
 * The paths in the container, an array that the caller releases. NULL: unknown, because the
 * container does not run or its process is not visible here. Empty without a read-only bind.
 * `root` is where /proc is: "" or, in tests, a directory.
 */
json_t *submounts_read(const json_t *inspect, const char *root);

/* The same by the text of /proc/PID/mountinfo. */
json_t *submounts_parse(const json_t *inspect, const char *mountinfo);
