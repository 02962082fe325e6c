#pragma once

/*
 * The data directory holds the databases. It is private to its owner, and locked by the one
 * daemon that uses it. Root may create files in it for a daemon that runs as another user: they
 * are given to the owner of the directory.
 */

#include "base/error.h"

/* Creates the directory if it is missing, and in it the private file `path` unless that is NULL. */
int data_dir_prepare(const char *dir, const char *path, struct error *err) _nodiscard_;
/* Takes the lock of the directory; closing *ret_fd releases it. -EBUSY: another daemon holds it. */
int data_dir_lock(const char *dir, int *ret_fd, struct error *err) _nodiscard_;
