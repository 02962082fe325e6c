#pragma once

/*
 * What of `dockmon login` others need.
 */

#include "cli/common/config.h"
#include <jansson.h>

/* A session of this user becomes that of `config`. *ret: the server's answer, the caller's. */
int login_open_session(struct config *config,
                       const char *user,
                       const char *password,
                       json_t **ret,
                       struct error *err) _nodiscard_;
