#pragma once

/*
 * Changing the password of whoever is logged in.
 */

#include "cli/common/client.h"

/* Asks twice on the terminal; -ENOTTY without one. *ret is a secret of the caller's. */
int new_password_ask(char **ret, struct error *err) _nodiscard_;
int new_password_send(struct client *c,
                      const char *current,
                      const char *new_password,
                      struct error *err) _nodiscard_;

/* Logs in as `user` for this alone: an API key has no password. */
int new_password_send_as(const char *user,
                         const char *current,
                         const char *new_password,
                         struct error *err) _nodiscard_;
