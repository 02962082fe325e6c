#pragma once

/*
 * The agent's data directory: made if it is not there, and tried out by writing.
 */

#include "base/error.h"

/* err says what to do about it. */
int data_dir_prepare(const char *path, struct error *err) _nodiscard_;
