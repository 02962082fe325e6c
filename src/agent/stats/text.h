#pragma once

/*
 * Small files of /proc and /sys into a buffer of the caller's: no allocation, cut at its size, NUL-terminated.
 */

#include <stddef.h>

int text_read(const char *path, char *to, size_t size); /* 0 or negative errno */
int text_pread(int fd, char *to, size_t size);          /* from the beginning */
