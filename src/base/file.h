#pragma once

/*
 * Small files: reads of whole files with a maximum, and atomic writes.
 */

#include "base/error.h"
#include <sys/types.h>

/* Returns the content, NUL-terminated, to be freed. -EMSGSIZE: larger than `max` bytes. */
int file_read(const char *path, size_t max, char **ret, size_t *ret_size, struct error *err)
    _nodiscard_;

/* Writes all bytes to a file, which must not be in non-blocking mode. Returns a negative errno. */
int file_write_all(int fd, const void *data, size_t size) _nodiscard_;

/* Writes `<path>.tmp`, syncs it, renames it to `path` and syncs the directory. */
int file_write_atomic(
    const char *path, const void *data, size_t size, mode_t mode, struct error *err) _nodiscard_;

/*
 * Creates the directory with mode 0700, and missing parents with mode 0755. Returns 0 if it exists
 * already, or the negative errno of mkdir(2).
 */
int file_make_directory(const char *path) _nodiscard_;

/* Removes a directory and everything below it; does not follow links. Missing is fine. */
void file_remove_tree(const char *path);

/* Syncs the directory, so that a rename to `path` or its creation survives a power cut. */
int file_sync_directory_of(const char *path) _nodiscard_;
