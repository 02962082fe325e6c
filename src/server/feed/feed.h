#pragma once

/*
 * The live feed: WebSocket /ws, for browsers and other clients that show the present. A client gets
 * the part of the live model (fleet/) that its role and scope allow, and from then on the changes.
 * Lives on the loop.
 *
 * The feed keeps no copy of the state for its clients. Every object of the live model has a
 * version, and the feed remembers which version was sent last (`fed`). At a tick, at most every
 * 100 ms, it finds the objects with newer versions and writes one frame for each client. Changes
 * without a state (events, progress, jobs) wait in the news until that tick.
 *
 * A client that subscribes ({"type":"subscribe","topics":[...]}, or /ws?subscribe=true to get
 * nothing else before) gets frames. When more than 4 MiB wait for it, it is behind: it gets nothing
 * more until its queue has drained, and then a resync. A client that never subscribes gets what
 * clients of the API expect that we are compatible with: initial_state and containers_update, then
 * containers_update every 2 s, a second after changes, and single messages at once. Clients with
 * the same rights share one list, which is written only while somebody gets it. Lists have a
 * maximum in bytes, and when writing them takes long they are sent less often. docs/protocol.md has
 * the messages.
 *
 * A client is created at its upgrade and freed when its socket has closed (auth/ws_client.h), or by
 * feed_free(). No other function of the feed frees a client, so that sending to all clients is safe
 * although a client may be closed meanwhile. The fleet outlives the feed.
 *
 * Glossary
 *   topic       a subject that a client subscribes to: containers of a host, samples, events
 *               (topics.h)
 *   watched     topics of samples with at least one subscriber; agents sample these more often
 *   tick        the moment at which frames are written
 *   frame       one message to a subscriber: sections of objects that were added, changed or
 *               removed (frame.h)
 *   news        changes that have no state to look up later, kept until the next tick (news.h)
 *   state       all objects of a topic, sent in parts when a client subscribes
 *   resync      the state of all topics again, after a client was behind or changes were too many
 *   behind      the queue of the client was full, and messages for it were dropped
 *   full list   all hosts and containers in one message, for clients that do not subscribe
 *   fed         the versions of an object that were sent last
 */

#include "base/listeners.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "server/auth/ws_client.h"
#include "server/fleet/fleet.h"
#include "server/store/events.h"
#include <jansson.h>

struct feed;
struct stats;

struct feed_options {
    struct loop *loop;
    struct auth *auth;
    struct fleet *fleet;
    struct stats *stats;
    json_t *settings; /* see feed_set_settings(); takes ownership */
    size_t max_queue; /* bytes that wait for a client that has subscribed; 0: 4 MiB */
};

struct feed_listener {
    struct listener base;
    /* The answers of feed_is_watched() for this host (NULL: for all hosts) may have changed. Of the
     * feed, only feed_is_watched() and feed_is_any_watched() may be called from here. */
    void (*on_watched)(struct feed_listener *l, const char *host_id);
};

struct feed *feed_new(const struct feed_options *o);
void feed_stop(struct feed *f); /* closes all clients (1001) */
void feed_free(struct feed *f); /* drops the clients that are still there */
void feed_add_listener(struct feed *f, struct feed_listener *l);
void feed_remove_listener(struct feed_listener *l); /* harmless if it was not added */

/* Fills the accept options for an upgrade request. */
void feed_accept(struct feed *f,
                 const struct http_request *r,
                 const struct ws_rules *rules,
                 struct ws_accept *ret);

/* The settings in the first state of clients that do not subscribe; copied. */
void feed_set_settings(struct feed *f, const json_t *settings);
size_t feed_count(const struct feed *f); /* clients, without those that are being closed */

/* The host is about to be removed from the fleet. */
void feed_on_host_removed(struct feed *f, const struct fleet_host *h);
/*
 * Progress of a bulk job, for clients that may run one: of an item, whose data has host_id and
 * container_id, or of the job, whose data has an id. Takes ownership of `data`; `whose` is the
 * identity that runs the job.
 */
void feed_on_batch(struct feed *f, const char *type, const struct identity *whose, json_t *data);

/*
 * True if a client watches the samples of this container (id of 64 or 12 digits; "": of all
 * containers of the host), or with NULL those of the host itself; feed_is_any_watched(): those of
 * any container of the host.
 */
bool feed_is_watched(const struct feed *f, const char *host_id, const char *container_id);
bool feed_is_any_watched(const struct feed *f, const char *host_id);
/*
 * True: a client gets full lists with this host, and the fleet is small enough to sample all of it
 * for them.
 */
bool feed_is_listed(const struct feed *f, const struct fleet_host *h);
