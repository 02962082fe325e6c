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

/*
 * Takes the rights of others from the agent's own files in the directory. Returns why other users
 * of the machine can replace these, with advice, as text to be freed; NULL: they cannot. Many
 * installations have such a directory, so the agent starts nevertheless.
 */
char *data_dir_protect(const char *path) _nodiscard_;
