#pragma once

/*
 * Changing one's own password.
 */

#include "cli/common/client.h"

/* Asks twice on the terminal; -ENOTTY without one. Free *ret with prompt_free_secret(). */
int new_password_ask(char **ret, struct error *err) _nodiscard_;

struct new_password {
    const char *current, *new_password;
    bool keep_keys; /* the API keys of the user stay valid */
};
/* Changes the password of the user whose session the client has. */
int new_password_send(struct client *c, const struct new_password *change, struct error *err)
    _nodiscard_;

/* Logs in as `user` only for this change: an API key has no password. */
int new_password_send_as(const char *user, const struct new_password *change, struct error *err)
    _nodiscard_;
