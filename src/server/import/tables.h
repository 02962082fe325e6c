#pragma once

/*
 * The part of the report about tables: each table of DockMon's schema, and each other one of the
 * file, is named, with its rows and why they stay behind.
 */

#include "server/import/fernet.h"
#include "server/import/import.h"

/* Prints a line for each table to the standard output; `key` may be NULL. */
int import_tables_print(const struct import *im, const struct fernet_key *key, struct error *err)
    _nodiscard_;
