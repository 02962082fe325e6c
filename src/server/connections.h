#pragma once

/*
 * How many connections the server takes, so that descriptors are left for its own files, and what it logs
 * when there are too many.
 */

#include "net/http_server.h"
#include <stddef.h>
#include <stdint.h>

#define CONNECTIONS_RESERVE 128 /* descriptors for database, listener, workers and a backup */

/*
 * Raises the limit of descriptors as far as it may. Returns `wanted`, or what the limit leaves room for, then
 * with a warning.
 */
size_t connections_allow(uint64_t wanted);

/* For http_server_options.on_crowd. */
void connections_on_crowd(void *owner, const struct http_crowd *crowd);
