#pragma once

/*
 * Sessions: what `dockmon login` shares with other verbs.
 */

#include "cli/common/client.h"
#include <jansson.h>

/* Logs in and stores the session in `config`. *ret: the server's answer, the caller's. */
int login_open_session(struct config *config,
                       const char *user,
                       const char *password,
                       json_t **ret,
                       struct error *err) _nodiscard_;

/* Ends the session of the client. Failures are ignored: the session expires anyway. */
void login_close_session(struct client *c);
