#pragma once

/*
 * The feed: WebSocket /ws for browsers and other clients that watch. A client is authenticated after the
 * handshake (close 1008 otherwise) and gets what its role and scope allow. Lives on the loop.
 *
 * One that subscribes ({"type":"subscribe","topics":[...]}, or /ws?subscribe=true to get nothing else before that)
 * gets the state of each topic and from then on what changes, at most one message every 100 ms. docs/protocol.md
 * has the messages, server/feed/topics.h the topics. When more than 4 MiB wait, the client is too slow:
 * further changes are dropped, and when its queue has drained it gets the state of all its topics again.
 *
 * Others get what clients of the API we are compatible with expect: initial_state and containers_update, then
 * containers_update at most once a second, and single messages at once. With thousands of containers that is
 * megabytes a second.
 */

#include "base/listeners.h"
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
    size_t max_queue; /* bytes that wait for a client that has subscribed; 0: 4 MiB */
};

struct feed_listener {
    struct listener base;
    /* The answers of feed_is_watched() for this host (NULL: for all hosts) may have changed. Of the
     * feed, only feed_is_watched() and feed_is_any_watched() may be called from here. */
    void (*on_watched)(struct feed_listener *l, const char *host_id);
};

struct feed *feed_new(const struct feed_options *o);
void feed_stop(struct feed *f); /* says goodbye to all clients (1001) */
void feed_free(struct feed *f); /* drops those that are still there */
void feed_add_listener(struct feed *f, struct feed_listener *l);
void feed_remove_listener(struct feed_listener *l); /* harmless if it was not added */

/* Fills the accept options for an upgrade of /ws; the credentials are copied from the request. */
void feed_accept(struct feed *f, const struct http_request *r, struct ws_accept *ret);

size_t feed_count(const struct feed *f); /* clients, without those that are being closed */

/* The host is about to be removed from the fleet. */
void feed_on_host_removed(struct feed *f, const struct fleet_host *h);
/*
 * Progress of a bulk job, for who may run one: of an item, whose data has host_id and container_id, or of the job,
 * whose data has an id. Takes `data`; `whose` is the user who runs the job.
 */
void feed_on_batch(struct feed *f, const char *type, const struct identity *whose, json_t *data);

/*
 * True if a client watches the samples of this container (id of 64 or 12 digits; "": of all of the host), or with NULL
 * of the host itself; feed_is_any_watched(): of any container of the host.
 */
bool feed_is_watched(const struct feed *f, const char *host_id, const char *container_id);
bool feed_is_any_watched(const struct feed *f, const char *host_id);
