#pragma once

/*
 * The running server: everything that hangs on its loop, made in order and taken down in reverse.
 */

#include "server/config.h"

struct server;

/* Opens the store, loads the fleet and listens. Nothing is served before server_run(). */
int server_new(struct server **ret, const struct config *config, struct error *err) _nodiscard_;
/* What SIGHUP does, on the loop. */
void server_on_reload(struct server *s, void (*fn)(void *owner), void *owner);
/* Until SIGTERM or SIGINT. */
void server_run(struct server *s);
/* Ends sessions, waits for store jobs, closes the store. */
void server_free(struct server *s);
DEFINE_CLEANUP(struct server *, server_free);
