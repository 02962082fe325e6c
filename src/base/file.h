#pragma once

/*
 * Small files: whole-file reads with a maximum, and writes that are either complete or not there.
 */

#include "base/error.h"
#include <sys/types.h>

/* The content, NUL-terminated, to be freed by the caller. -EMSGSIZE when it is larger than `max`. */
int file_read(const char *path, size_t max, char **ret, size_t *ret_size, struct error *err)
    _nodiscard_;

/* Writes `<path>.tmp`, fsyncs, renames over `path` and fsyncs the directory. */
int file_write_atomic(
    const char *path, const void *data, size_t size, mode_t mode, struct error *err) _nodiscard_;

/* Makes a rename to `path`, or its creation, survive a power cut. */
int file_sync_directory_of(const char *path) _nodiscard_;
