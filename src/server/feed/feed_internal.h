#pragma once

/*
 * What the files of feed/ share; nobody else includes it.
 *
 *     AUTHENTICATING --identity--> WATCHING <--queue drained / queue full--> BEHIND
 *           \_______________________ | ______________________________________/
 *                                 CLOSING --on_close--> gone
 *
 * A client is of one of two kinds. One that never subscribes gets full lists and single messages, as the API says
 * that we are compatible with (full_list.c). One that has subscribed gets frames: the state of a topic
 * when it subscribes (state.c), then at each tick what has changed (update.c).
 */

#include "base/bucket.h"
#include "base/set.h"
#include "net/ws.h"
#include "server/auth/admission.h"
#include "server/feed/feed.h"
#include "server/feed/frame.h"
#include "server/feed/news.h"
#include "server/feed/topics.h"
#include "server/feed/watched.h"
#include "server/fleet/fleet_listener.h"

#define FEED_MAX_CLIENTS 1000
#define FEED_MAX_MESSAGE ((size_t)64 * 1024) /* of a client: some hundred topics */
#define FEED_LIST_QUEUE  ((size_t)16 << 20)  /* two full lists; beyond it a client is too slow */
#define FEED_FRAME_QUEUE ((size_t)4 << 20)   /* the same of one that has subscribed */
#define FEED_ALL_QUEUES  ((size_t)256 << 20) /* of all clients together */
#define FEED_UPDATE_MAX \
    ((size_t)1 << 20) /* of state in one update; the parts of a state are smaller */
#define FEED_STATE_PART    ((size_t)256 * 1024)
#define FEED_TICK_MS       100
#define FEED_LIST_MS       1000 /* between full lists */
#define FEED_LIST_STATS_MS 2000 /* ... when only figures have changed */

enum client_state {
    CLIENT_AUTHENTICATING,
    CLIENT_WATCHING, /* gets everything */
    CLIENT_BEHIND,   /* lost messages; gets a fresh state when its queue has drained */
    CLIENT_CLOSING,  /* refused or leaving: gets nothing more */
};

/* A state on its way, part by part. Between parts there is a position, no pointer. */
struct resync {
    bool is_pending;
    const char *reason;         /* "subscribed", or why everything is told anew */
    struct topics only;         /* what it is about, when that is not all topics of the client */
    bool is_partial;            /* `only` counts */
    char host[TOPIC_HOST_SIZE]; /* the last one begun; "": none */
    char container[CONTAINER_ID_SIZE]; /* its last one told; "": none */
    unsigned part;
};

struct client {
    struct list link;
    struct feed *feed;
    struct ws *ws;
    enum client_state state;
    struct identity who;
    struct admission *admission;
    bool is_subscriber;
    struct bucket messages, subscriptions;
    struct topics topics;
    /* of one that does not subscribe: the container whose details it shows; host "": none */
    struct topic modal;
    struct resync resync;
    /* With a limited scope: the "HOST" and "HOST/CONTAINER" that the client has been sent. */
    struct set shown;
};

struct feed {
    struct feed_options o;
    struct fleet_listener fleet;
    struct listeners listeners;
    struct list clients;
    size_t n_clients, n_subscribers; /* without those that are closing */
    struct news news;
    struct watched watched;
    struct frame frame; /* used for one message at a time */
    struct loop_timer tick;
    uint64_t ticked_ms;
    struct loop_timer list_timer;
    uint64_t list_due_ms;
};

/* feed.c */
void feed_poke(struct feed *f); /* a tick soon */

/* client.c */
void client_set_state(struct client *c, enum client_state state);
void client_refuse(struct client *c, unsigned code, const char *reason);
void client_send_text(struct client *c, const char *text, size_t size);
void client_send(struct client *c, json_t *message /* stolen */);
bool client_sees_env(const struct client *c);
/* What happens on a host and to a container of it; either may be NULL, the container may be unknown to the fleet. */
bool client_may_know(const struct client *c, const char *host_id, const char *container_id);
/* What a host is, which those also see who may see but some of its containers. */
bool client_sees_host(const struct client *c, const char *host_id, const char *container_id);

/* subscribe.c */
void client_on_request(struct client *c, const json_t *message);
void client_become_subscriber(struct client *c);
void client_forget_topics(struct client *c);

/* state.c */
/* Everything that the client has subscribed to, from the beginning, in parts as its queue drains. */
void client_resync(struct client *c, const char *reason);
/* The state of these topics alone, whose members are taken; of everything when a state is already on its way. */
void client_add_state(struct client *c, struct topics *only);
void client_send_state(struct client *c); /* the next part, if there is one to send */

/* update.c */
void feed_send_updates(struct feed *f);
void client_show(struct client *c, const char *host_id, const char *container_id);

/* full_list.c */
void client_send_lists(struct client *c, bool is_first);
void feed_send_lists(struct feed *f);
void feed_send_stats(struct feed *f); /* to those who have not subscribed */
