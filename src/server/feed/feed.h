#pragma once

/*
 * The feed: WebSocket /ws for browsers and other clients that watch. A client is authenticated after the
 * handshake (close 1008 otherwise), gets initial_state and containers_update, and from then on what
 * changes: containers_update at most once a second, new_event and host_status_changed at once. A client
 * that reads too slowly loses messages, never others their time: when its queue has drained it gets a
 * fresh initial_state. Lives on the loop.
 *
 * With /ws?deltas=true, a client gets containers_delta {hosts, containers, removed, timestamp} in place of every
 * containers_update: only what is new or changed since the message before; for what is left out of it (a host
 * that has gone) comes a fresh initial_state. The full list is for clients of the API we are compatible with; with
 * thousands of containers it is megabytes a second.
 */

#include "net/http_server.h"
#include "net/loop.h"
#include "server/auth/auth.h"
#include "server/fleet/fleet.h"
#include "server/store/events.h"
#include <jansson.h>

struct feed;

struct feed_options {
    struct loop *loop;
    struct auth *auth;
    struct fleet *fleet;
};

struct feed *feed_new(const struct feed_options *o);
void feed_stop(struct feed *f); /* says goodbye to all clients (1001) */
void feed_free(struct feed *f); /* drops those that are still there */

/* Fills the accept options for an upgrade of /ws; the credentials are copied from the request. */
void feed_accept(struct feed *f, const struct http_request *r, struct ws_accept *ret);

void feed_on_host(struct feed *f, const struct fleet_host *h);
void feed_on_containers(struct feed *f);
void feed_on_event(struct feed *f, const struct event *e);
/* Progress of a bulk job, for who may run one. `data` is stolen. */
void feed_on_batch(struct feed *f, const char *type, json_t *data);
