#pragma once

/*
 * The control database DIR/dockmon.db: hosts, agents, users, tokens, events and the audit log. One file
 * of this folder owns each table and exports verbs of the domain that take the open database; rows are
 * plain structs with x_done(), times are UTC milliseconds. Everything runs inside jobs of one queue, or
 * in the offline commands. server/sqlite/db.h lists the error codes.
 */

#include "server/sqlite/db.h"

#define STORE_FILE "dockmon.db" /* in the data directory */

/* Creates or migrates the database. Errors name the file and say what to do. */
int store_open(struct db **ret, const char *data_dir, struct error *err) _nodiscard_;
