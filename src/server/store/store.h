#pragma once

/*
 * The store is the control database DIR/dockmon.db: hosts, agents, users, tokens, events and the
 * audit log. Samples are not in it, but in files of their own (server/history/).
 *
 *   agents.h              agents, 1:1 with hosts        users.h           users with passwords
 *   agent_tokens.h        tokens of a rotation          user_sessions.h   logged-in browsers
 *   tokens.h              registration tokens           api_keys.h        keys of programs
 *   hosts.h               Docker hosts                  identities.h      secret -> user or key
 *   container_settings.h  settings per container        events.h          the event log
 *   settings.h            settings of all               audit.h           the audit log
 *   user_networks.h       networks of past logins       container_lists.h last known containers
 *   user_preferences.h    settings of the web UI   image_checks.h    answers of registries
 *   registries.h          registries and credentials
 *   updates.h             updates of containers
 *
 * foreign_file.h reads databases of other programs.
 *
 * One file of this folder owns each table: no other one names it, and it exports verbs of the
 * domain that take the open database, never SQL. identities.c is the exception that reads across
 * three tables.
 *
 * Rows are plain structs: text members belong to the row and are freed by x_done(), which accepts
 * zeroed rows. x_get() fills a row that the caller frees; callbacks of x_each() and x_list()
 * borrow it for the call. Times are UTC milliseconds. Secrets are stored as hashes only
 * (secret.h).
 *
 * Calls are synchronous and may wait for the disk: they run in jobs of one queue
 * (server/common/job.h), or in offline commands, never on the loop. server/sqlite/db.h lists the
 * error codes and explains transactions, which the caller begins and no table module does.
 *
 * The schema is migrations/NNNN_name.sql, applied in order by store_open()
 * (server/sqlite/migrate.h). Applied migrations are frozen; a change is a new file.
 */

#include "server/sqlite/db.h"

#define STORE_FILE "dockmon.db" /* in the data directory */

/*
 * Opens the database, creates it if it is missing, and migrates it. The caller closes it with
 * db_close(). Errors name the file and a remedy.
 */
int store_open(struct db **ret, const char *data_dir, struct error *err) _nodiscard_;
/* For offline commands: an error with advice if the directory has no database. */
int store_require(const char *data_dir, struct error *err) _nodiscard_;
/*
 * The same as store_open() for a rehearsal: a private copy, which disappears when it is closed. The directory and its
 * files are not changed, and need not exist.
 */
int store_open_copy(struct db **ret, const char *data_dir, struct error *err) _nodiscard_;
