#pragma once

/*
 * The agent's data directory.
 */

#include "base/error.h"

/*
 * Creates the directory if it is missing, and checks that it is writable. Returns 0 or a negative
 * errno; the text of `err` includes advice for the administrator.
 */
int data_dir_prepare(const char *path, struct error *err) _nodiscard_;
