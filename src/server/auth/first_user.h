#pragma once

/*
 * The first start: a database without users gets the user `admin` with a random password. The
 * password is written to DIR/initial-admin-password (mode 0600) and must be changed after the first
 * login.
 */

#include "server/store/store.h"

#define FIRST_USER_NAME "admin"
#define FIRST_USER_FILE "initial-admin-password"

/* Takes about 60 ms when it creates the user. Call before the loop runs. */
int first_user_ensure(struct db *s, const char *data_dir, struct error *err) _nodiscard_;

/* Deletes the file if its password is not the one of `admin` in this database, as after a
 * restore. */
int first_user_forget_stale(struct db *s, const char *data_dir, struct error *err) _nodiscard_;
