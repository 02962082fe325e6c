#pragma once

/*
 * The first start: a database without users gets `admin` with a random password, which is written to
 * DIR/initial-admin-password (0600) and has to be changed after the first login.
 */

#include "server/store/store.h"

#define FIRST_USER_NAME "admin"
#define FIRST_USER_FILE "initial-admin-password"

/* Takes some 60 ms when there is work to do; before the loop runs. */
int first_user_ensure(struct db *s, const char *data_dir, struct error *err) _nodiscard_;

/* Removes the file when its password is not that of `admin` in this database, because the database is another one now. */
int first_user_forget_stale(struct db *s, const char *data_dir, struct error *err) _nodiscard_;
