#pragma once

/*
 * Reads small files of /proc and /sys into a buffer of the caller's: without allocation, truncated
 * to its size, NUL-terminated.
 */

#include <stddef.h>

int text_read(const char *path, char *to, size_t size); /* 0 or negative errno */
int text_pread(int fd, char *to, size_t size);          /* from the beginning */
