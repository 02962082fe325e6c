#include "server/feed/feed.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "proto/samples.h"
#include "server/feed/feed_internal.h"
#include "server/view/event_json.h"

#define KEY_SIZE    320
#define MAX_CLIENTS 1000
#define MAX_DEPTH   8

/* --- clients ---------------------------------------------------------------------------------- */

static struct client *client_of(struct ws_client *socket)
{
    return CONTAINER_OF(socket, struct client, socket);
}

/* The protocol that we are compatible with has one code for all refusals. */
static void on_refused(struct ws_client *socket,
                       const struct identity *who _unused_,
                       unsigned code _unused_,
                       const char *why)
{
    ws_client_close(socket, WS_CLOSE_POLICY, why);
}

static void on_admitted(struct ws_client *socket)
{
    struct client *c = client_of(socket);

    if (c->subscribes_first) {
        client_become_subscriber(c);
    } else {
        client_begin_lists(c);
        feed_emit_watched(c->feed, NULL);
    }
}

static void on_closing(struct ws_client *socket,
                       unsigned code _unused_,
                       const char *reason _unused_)
{
    struct client *c = client_of(socket);

    c->feed->n_subscribers -= c->is_subscriber;
    client_forget_topics(c);
    if (!c->is_subscriber)
        feed_emit_watched(c->feed, NULL);
}

static void on_gone(struct ws_client *socket)
{
    struct client *c = client_of(socket);

    topics_done(&c->resync.only);
    set_done(&c->shown);
    free(c);
}

static void on_message(struct ws_client *socket, const char *data, size_t size, bool is_binary)
{
    json_t *message = is_binary ? NULL : json_text_parse(data, size, MAX_DEPTH, NULL);

    client_on_request(client_of(socket), message);
    json_decref(message);
}

static void on_drain(struct ws_client *socket)
{
    struct client *c = client_of(socket);

    if (c->state == CLIENT_BEHIND) {
        c->state = CLIENT_WATCHING;
        if (c->is_subscriber) {
            client_resync(c, "behind");
        } else {
            client_begin_lists(c);
        }
    } else {
        client_send_state(c);
    }
}

static const struct ws_client_handler client_handler = {
    .admitted = on_admitted,
    .refused = on_refused,
    .closing = on_closing,
    .on_message = on_message,
    .on_drain = on_drain,
    .gone = on_gone,
};

size_t feed_count(const struct feed *f)
{
    return f->clients.n_open;
}

void feed_accept(struct feed *f,
                 const struct http_request *r,
                 const struct ws_rules *rules,
                 struct ws_accept *ret)
{
    _cleanup_free_ char *subscribe = http_request_query(r, "subscribe");
    struct client *c = xcalloc(1, sizeof(*c));

    c->feed = f;
    c->subscribes_first = str_eq(subscribe, "true");
    ws_clients_accept(&f->clients, &c->socket, r, rules, ret);
}

/* --- ticks ------------------------------------------------------------------------------------ */

static void on_tick(struct loop_timer *t)
{
    struct feed *f = CONTAINER_OF(t, struct feed, tick);

    f->ticked_ms = time_monotonic_ms();
    feed_send_stats(f);
    feed_send_updates(f);
}

/* A tick at once when the last one was long enough ago, else when the interval is over. */
void feed_poke(struct feed *f)
{
    uint64_t since_ms = time_monotonic_ms() - f->ticked_ms;

    if (!loop_timer_is_running(&f->tick)) {
        loop_timer_start(f->o.loop, &f->tick, since_ms < FEED_TICK_MS ? FEED_TICK_MS - since_ms : 0,
                         on_tick);
    }
}

/* --- the feed --------------------------------------------------------------------------------- */

/* The subject of a single message, and the rule by which clients may know of it. */
struct subject {
    bool (*may)(const struct client *c, const char *host_id, const char *container_id);
    const char *host_id, *container_id; /* or NULL */
};

/* Sends to the clients that have not subscribed; takes ownership of the message. */
static void broadcast(struct feed *f, const struct subject *about, json_t *message)
{
    size_t size;
    _cleanup_free_ char *text = json_text_write(message, &size);

    for (struct list *l = f->clients.list.next; l != &f->clients.list; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, socket.link);

        if (client_is_watching(c) && !c->is_subscriber &&
            about->may(c, about->host_id, about->container_id))
            client_send_text(c, text, size);
    }
    json_decref(message);
}

static json_t *envelope(const char *type, json_t *data)
{
    return json_pack("{s:o, s:o}", "type", json_text_str(type), "data", data);
}

static struct feed *feed_of(struct fleet_listener *l)
{
    return CONTAINER_OF(l, struct feed, fleet);
}

static void poke_all(struct feed *f)
{
    feed_poke_lists(f, FEED_LIST_MS);
    feed_poke(f);
}

static void on_containers(struct fleet_listener *l, const struct fleet_host *h)
{
    (void)h;
    poke_all(feed_of(l));
}

static json_t *host_name_json(const struct fleet_host *h)
{
    return json_pack("{s:s, s:o}", "host_id", h->row.id, "host_name", json_text_str(h->row.name));
}

static void announce(struct feed *f, const struct fleet_host *h)
{
    broadcast(f, &(struct subject){client_sees_host, h->row.id, NULL},
              envelope("host_added", host_name_json(h)));
    if (!h->migration_candidates)
        return;
    /* It names other hosts, so that no limited scope allows it. */
    broadcast(f, &(struct subject){client_may_know, NULL, NULL},
              envelope("migration_choice_needed",
                       json_pack("{s:s?, s:s, s:o, s:O}", "agent_id", h->agent.id, "host_id",
                                 h->row.id, "host_name", json_text_str(h->row.name), "candidates",
                                 h->migration_candidates)));
}

static void on_host(struct fleet_listener *l, const struct fleet_host *h)
{
    struct feed *f = feed_of(l);

    if (f->clients.n_open > f->n_subscribers) {
        if (h->fed.version == 0)
            announce(f, h);
        broadcast(
            f, &(struct subject){client_sees_host, h->row.id, NULL},
            envelope("host_status_changed", json_pack("{s:s, s:s}", "host_id", h->row.id, "status",
                                                      h->is_online ? "online" : "offline")));
    }
    poke_all(f);
}

void feed_on_host_removed(struct feed *f, const struct fleet_host *h)
{
    broadcast(f, &(struct subject){client_sees_host, h->row.id, NULL},
              envelope("host_removed", host_name_json(h)));
    poke_all(f);
}

static void on_samples(struct fleet_listener *l,
                       const struct fleet_host *h,
                       const struct samples *batch)
{
    struct feed *f = feed_of(l);

    if (batch->is_late)
        return;
    if (watched_has_host(&f->watched, h->row.id) ||
        watched_has_any_container(&f->watched, h->row.id))
        feed_poke(f);
}

static void add_news(struct feed *f,
                     enum topic_kind kind,
                     const struct news_about *about,
                     json_t *data)
{
    if (f->n_subscribers == 0) {
        json_decref(data);
        return;
    }
    news_add(&f->news, kind, about, data);
    feed_poke(f);
}

/* The event has the old host in its details. */
static void broadcast_migrated(struct feed *f, const struct event *e, const json_t *event)
{
    const json_t *details = json_object_get(event, "details");
    const char *old_id = json_text_get(details, "old_host_id");
    const char *old_name = json_text_get(details, "old_host_name");

    broadcast(f, &(struct subject){client_may_know, NULL, NULL},
              envelope("host_migrated",
                       json_pack("{s:s?, s:o, s:s?, s:o}", "old_host_id", old_id, "old_host_name",
                                 json_text_str(old_name), "new_host_id", e->host_id,
                                 "new_host_name", json_text_str(e->host_name))));
}

static void on_event(struct fleet_listener *l, const struct event *e)
{
    struct feed *f = feed_of(l);
    json_t *data;

    if (f->clients.n_open == 0)
        return;
    data = event_json(e);
    broadcast(f, &(struct subject){client_may_know, e->host_id, e->container_id},
              json_pack("{s:s, s:O}", "type", "new_event", "event", data));
    if (str_eq(e->type, "host_migrated"))
        broadcast_migrated(f, e, data);
    add_news(f, TOPIC_EVENTS,
             &(struct news_about){.host_id = e->host_id, .container_id = e->container_id}, data);
}

static void on_progress(struct fleet_listener *l, const char *type, json_t *step)
{
    struct feed *f = feed_of(l);
    json_t *data = json_copy(step);
    const char *host_id = json_text_get(data, "host_id");
    const char *container_id = json_text_get(data, "container_id");
    char key[KEY_SIZE];

    (void)snprintf(key, sizeof(key), "%s/%s/%s", type, host_id, container_id ? container_id : "");
    broadcast(f, &(struct subject){client_may_know, host_id, container_id},
              json_pack("{s:o, s:O}", "type", json_text_str(type), "data", data));
    json_text_set(data, "type", json_text_str(type));
    add_news(f, TOPIC_PROGRESS,
             &(struct news_about){.key = key, .host_id = host_id, .container_id = container_id},
             data);
}

/* Sends to the clients that have not subscribed; these select messages by the id of the job. */
static void broadcast_batch(struct feed *f, const struct identity *whose, json_t *message)
{
    size_t size;
    _cleanup_free_ char *text = json_text_write(message, &size);

    for (struct list *l = f->clients.list.next; l != &f->clients.list; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, socket.link);
        bool is_own = c->socket.who.user_id == whose->user_id &&
                      c->socket.who.key_id == whose->key_id;

        if (!c->is_subscriber && c->socket.who.role >= ROLE_OPERATOR &&
            (is_own || !scope_is_limited(&c->socket.who.scope)))
            client_send_text(c, text, size);
    }
    json_decref(message);
}

void feed_on_batch(struct feed *f, const char *type, const struct identity *whose, json_t *data)
{
    const char *host_id = json_text_get(data, "host_id");
    const char *container_id = json_text_get(data, "container_id");
    const char *job_id = json_text_get(data, host_id ? "job_id" : "id");
    char key[KEY_SIZE];

    (void)snprintf(key, sizeof(key), "%s/%s/%s", job_id ? job_id : "", host_id ? host_id : "",
                   container_id ? container_id : "");
    broadcast_batch(f, whose, json_pack("{s:o, s:O}", "type", json_text_str(type), "data", data));
    json_text_set(data, "type", json_text_str(type));
    add_news(f, TOPIC_JOBS,
             &(struct news_about){
                 .key = key, .host_id = host_id, .container_id = container_id, .whose = whose},
             data);
}

void feed_set_settings(struct feed *f, const json_t *settings)
{
    json_decref(f->o.settings);
    f->o.settings = json_deep_copy(settings);
}

void feed_emit_watched(struct feed *f, const char *host_id)
{
    listeners_emit(&f->listeners, struct feed_listener, on_watched, host_id);
}

bool feed_is_watched(const struct feed *f, const char *host_id, const char *container_id)
{
    return container_id ? watched_has_container(&f->watched, host_id, container_id)
                        : watched_has_host(&f->watched, host_id);
}

bool feed_is_any_watched(const struct feed *f, const char *host_id)
{
    return watched_has_any_container(&f->watched, host_id);
}

struct feed *feed_new(const struct feed_options *o)
{
    struct feed *f = xcalloc(1, sizeof(*f));

    f->o = *o;
    if (f->o.max_queue == 0)
        f->o.max_queue = FEED_FRAME_QUEUE;
    ws_clients_init(&f->clients, &(struct ws_clients){.name = "client",
                                                      .auth = o->auth,
                                                      .max = MAX_CLIENTS,
                                                      .handler = &client_handler});
    news_init(&f->news);
    frame_init(&f->frame);
    f->fleet = (struct fleet_listener){
        .on_host = on_host,
        .on_containers = on_containers,
        .on_samples = on_samples,
        .on_event = on_event,
        .on_progress = on_progress,
    };
    fleet_add_listener(o->fleet, &f->fleet);
    return f;
}

void feed_stop(struct feed *f)
{
    ws_clients_stop(&f->clients);
}

void feed_free(struct feed *f)
{
    if (!f)
        return;
    loop_timer_stop(&f->tick);
    loop_timer_stop(&f->list_timer);
    fleet_remove_listener(&f->fleet);
    listeners_done(&f->listeners); /* the end of all clients is no news */
    ws_clients_free_all(&f->clients);
    news_clear(&f->news);
    watched_done(&f->watched);
    frame_done(&f->frame);
    json_decref(f->o.settings);
    free(f);
}

void feed_add_listener(struct feed *f, struct feed_listener *l)
{
    listeners_add(&f->listeners, &l->base);
}

void feed_remove_listener(struct feed_listener *l)
{
    listeners_remove(&l->base);
}
