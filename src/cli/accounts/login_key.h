#pragma once

/*
 * The API key that `dockmon login` makes: one for each user of DockMon and user of a machine. A
 * later login replaces it, so that keys do not pile up.
 */

#include "cli/common/client.h"

/* Creates the key with the session of `c`. *ret is the caller's secret. */
int login_key_create(struct client *c,
                     const char *user,
                     const char *role,
                     char **ret,
                     struct error *err) _nodiscard_;

/*
 * Deletes the key of this login from the server. Returns 1 if it was deleted, or 0 if it stays,
 * because it was not made by a login or other keys depend on it.
 */
int login_key_delete(struct client *c, const char *key, struct error *err) _nodiscard_;
