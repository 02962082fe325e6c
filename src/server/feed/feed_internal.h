#pragma once

/*
 * The parts of the feed, shared by the files of this folder only.
 *
 * A client lives as auth/ws_client.h says. While it is admitted it has a state of its own:
 *
 *     WATCHING <--queue drained / queue full--> BEHIND
 *
 * There are two kinds of clients. A client that never subscribes gets full lists and single
 * messages, as the API says that we are compatible with (full_list.c). A client that has subscribed
 * gets frames: the state of a topic when it subscribes (state.c), then at each tick what has
 * changed (update.c).
 */

#include "base/bucket.h"
#include "base/set.h"
#include "server/feed/feed.h"
#include "server/feed/frame.h"
#include "server/feed/news.h"
#include "server/feed/topics.h"
#include "server/feed/watched.h"
#include "server/fleet/fleet_listener.h"

#define FEED_FRAME_QUEUE  ((size_t)4 << 20)   /* of a client that has subscribed */
#define FEED_ALL_QUEUES   ((size_t)256 << 20) /* of all clients together */
#define FEED_UPDATE_MAX   ((size_t)1 << 20)   /* of state in one update */
#define FEED_STATE_PART   ((size_t)256 * 1024)
#define FEED_TICK_MS      100
#define FEED_LIST_MS      1000 /* between full lists */
#define FEED_LIST_IDLE_MS 2000 /* between full lists when no host or container has changed */

enum client_state {
    CLIENT_WATCHING, /* gets everything */
    CLIENT_BEHIND,   /* lost messages; gets a fresh state when its queue has drained */
};

/* A state that is being sent in parts. Between parts there is a position, no pointer. */
struct resync {
    bool is_pending;
    const char *reason;                /* "subscribed", or why the whole state is sent again */
    struct topics only;                /* its topics, if these are not all topics of the client */
    bool is_partial;                   /* `only` counts */
    char host[TOPIC_HOST_SIZE];        /* the last one begun; "": none */
    char container[CONTAINER_ID_SIZE]; /* the last one of the host that was sent; "": none */
    unsigned part;
};

struct client {
    struct ws_client socket;
    struct feed *feed;
    enum client_state state;
    bool subscribes_first; /* it asked for frames from the beginning */
    bool is_subscriber;    /* it gets frames */
    struct bucket messages, subscriptions;
    struct topics topics;
    /* Without a subscription: the container whose details the client shows; host "": none. */
    struct topic modal;
    struct resync resync;
    bool needs_initial_state; /* without a subscription: before the next list */
    unsigned list_round;      /* of the feed, when the last list was sent */
    /* With a limited scope: the "HOST" and "HOST/CONTAINER" that the client has been sent. */
    struct set shown;
};

struct feed {
    struct feed_options o;
    struct fleet_listener fleet;
    struct listeners listeners;
    struct ws_clients clients;
    size_t n_subscribers; /* open clients that have subscribed */
    struct news news;
    struct watched watched;
    struct frame frame; /* used for one message at a time */
    struct loop_timer tick;
    uint64_t ticked_ms;
    struct loop_timer list_timer;
    uint64_t list_due_ms;      /* of the timer */
    uint64_t list_all_ms;      /* when all clients without a subscription get a list; 0: never */
    uint64_t list_earliest_ms; /* lists are not due before */
    unsigned list_round;
    bool is_truncation_logged;
};

/* feed.c */
void feed_poke(struct feed *f); /* schedules a tick */
/* Notifies listeners that this host, or with NULL any, may be watched or not any more. */
void feed_emit_watched(struct feed *f, const char *host_id);

/* client.c */
bool client_is_watching(const struct client *c); /* admitted, and not behind */
void client_send_text(struct client *c, const char *text, size_t size);
void client_send(struct client *c, json_t *message); /* takes ownership of the message */
bool client_sees_secrets(const struct client *c);
/*
 * Whether the scope covers events of a host, and of a container on it. Either may be NULL, and the
 * container may be unknown to the fleet.
 */
bool client_may_know(const struct client *c, const char *host_id, const char *container_id);
/* Whether the scope covers the host itself, for which a part of its containers is enough. */
bool client_sees_host(const struct client *c, const char *host_id, const char *container_id);

/* subscribe.c */
void client_on_request(struct client *c, const json_t *message);
/* From now on the client gets frames, and its queue is smaller. */
void client_become_subscriber(struct client *c);
void client_forget_topics(struct client *c);

/* state.c */
/* Sends the state of all topics of the client from the beginning, in parts as its queue drains. */
void client_resync(struct client *c, const char *reason);
/*
 * Sends the state of these topics, whose members are taken; of all topics when a state is already
 * being sent.
 */
void client_add_state(struct client *c, struct topics *only);
void client_send_state(struct client *c); /* the next part, if there is one to send */

/* update.c */
void feed_send_updates(struct feed *f);
void client_show(struct client *c, const char *host_id, const char *container_id);

/* full_list.c */
/* The client gets its first lists, or them again, before long. */
void client_begin_lists(struct client *c);
/* Sends lists to the clients that have not subscribed after the delay, or earlier if they are due. */
void feed_poke_lists(struct feed *f, uint64_t delay_ms);
void feed_send_stats(struct feed *f); /* to the same clients */
