#pragma once

/*
 * The limit of connections, so that descriptors are left for the server's own files, and the log
 * lines when it is reached.
 */

#include "net/http_server.h"
#include <stddef.h>
#include <stdint.h>

#define CONNECTIONS_RESERVE 128 /* descriptors for database, listener, workers and a backup */

/*
 * Raises the limit of descriptors as far as is allowed. Returns `wanted`, or the lower number
 * that the limit leaves room for, which it logs as a warning.
 */
size_t connections_allow(uint64_t wanted);

/* For http_server_options.on_crowd. */
void connections_on_crowd(void *owner, const struct http_crowd *crowd);
