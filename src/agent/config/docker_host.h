#pragma once

/*
 * The engine's address in DOCKER_HOST, in the forms that the docker CLI and older agents accept:
 * "unix:///PATH" and "tcp://HOST:PORT". The scheme may be in upper case or http, the port may be
 * missing, and a slash may follow.
 */

#include "base/error.h"
#include <stdbool.h>

/*
 * *ret receives "unix:///PATH" or "tcp://HOST:PORT", to be freed. A missing port is that of the
 * docker CLI: 2376 with TLS, otherwise 2375. -EINVAL: no such address; `err` names the reason.
 */
int docker_host_parse(const char *text, bool is_tls, char **ret, struct error *err) _nodiscard_;
