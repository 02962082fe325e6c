#pragma once

/*
 * The running server: a loop, and the parts that run on it (wiring.c), opened in order and freed in
 * reverse.
 *
 *   server_new() --> server_run() --SIGTERM or SIGINT--> stopping --> server_free()
 *
 * stopping      clients and agents get a close frame, pending commands fail, API calls are
 *               answered; the loop ends when all agents have closed, after a second, or at a
 *               second signal
 * server_free   parts drop their connections (close), then the loop is turned until all jobs have
 *               ended, then parts are freed; see struct server_part in server_internal.h
 */

#include "server/config.h"

struct server;

/* Opens the store, loads the fleet and listens. Nothing is served before server_run(). */
int server_new(struct server **ret, const struct config *config, struct error *err) _nodiscard_;
/* Called at SIGHUP, on the loop, after the certificate was read again. */
void server_on_reload(struct server *s, void (*fn)(void *owner), void *owner);
/* Returns after SIGTERM or SIGINT. */
void server_run(struct server *s);
/* Ends sessions, waits for store jobs, closes the store. */
void server_free(struct server *s);
DEFINE_CLEANUP(struct server *, server_free);
