#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/feed/feed_internal.h"

#include <errno.h>
#include <string.h>

#define MESSAGES_PER_S      100
#define SUBSCRIPTIONS_PER_S 10
#define SUBSCRIPTIONS_BURST 50
#define MAX_MODAL           500 /* topics of a client that does not subscribe */

static bool take_token(struct bucket *b, double burst, double per_second)
{
    return bucket_take(b, burst, per_second, time_monotonic_ms());
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Copies the id of the request, by which the client recognises the answer. */
static void add_id(json_t *answer, const json_t *message)
{
    json_t *id = json_object_get(message, "id");

    if (json_is_string(id) || json_is_integer(id))
        json_text_set(answer, "id", json_incref(id));
}

static void send_error(struct client *c, const json_t *message, const char *code, const char *text)
{
    json_t *answer = json_pack("{s:s, s:o, s:o}", "type", "error", "error", json_text_str(code),
                               "message", json_text_str(text));

    add_id(answer, message);
    client_send(c, answer);
}

static void send_success(struct client *c, const json_t *message, const char *type)
{
    json_t *answer = json_pack("{s:o, s:I}", "type", json_text_str(type), "topics",
                               (json_int_t)c->topics.items.size);

    add_id(answer, message);
    client_send(c, answer);
}

/* --- the topics of a client ------------------------------------------------------------------- */

static void notify_watched(struct client *c, const struct topic *t)
{
    feed_emit_watched(c->feed, t->host[0] ? t->host : NULL);
}

static bool add_topic(struct client *c, const struct topic *t)
{
    if (!topics_add(&c->topics, t))
        return false;
    if (watched_add(&c->feed->watched, t))
        notify_watched(c, t);
    return true;
}

static bool remove_topic(struct client *c, const struct topic *t)
{
    if (!topics_remove(&c->topics, t))
        return false;
    if (watched_remove(&c->feed->watched, t))
        notify_watched(c, t);
    return true;
}

void client_forget_topics(struct client *c)
{
    if (c->feed) {
        map_foreach(&c->topics.items, e) {
            if (watched_remove(&c->feed->watched, e->value))
                notify_watched(c, e->value);
        }
    }
    topics_done(&c->topics);
}

static int parse_topic(const json_t *v, struct topic *ret, struct error *err)
{
    const char *text = json_string_value(v);

    if (!text || strlen(text) != json_string_length(v))
        return error_set(err, -EINVAL, "topics must be strings");
    return topic_parse(text, ret, err);
}

/* Parses all topics of a request, at most `room`. On failure *ret may have some of them. */
static int parse_topics(const struct client *c,
                        const json_t *message,
                        size_t room,
                        struct topics *ret,
                        struct error *err)
{
    const json_t *list = json_object_get(message, "topics");
    size_t i;
    json_t *v;

    if (!json_is_array(list) || json_array_size(list) == 0)
        return error_set(err, -EINVAL, "topics must be an array of at least one string");
    json_array_foreach(list, i, v)
    {
        struct topic t = {0};
        int r = parse_topic(v, &t, err);

        if (r < 0)
            return r;
        if (t.kind == TOPIC_JOBS && c->socket.who.role < ROLE_OPERATOR) {
            return error_set(err, -EACCES, "the topic jobs requires the role operator");
        }
        (void)topics_add(ret, &t); /* a duplicate is ignored, the number is checked below */
        if (ret->items.size > room) {
            return error_set(err, -E2BIG,
                             "at most %d topics at a time; unsubscribe from some first",
                             TOPICS_MAX);
        }
    }
    return 0;
}

static const char *get_error_code(int code)
{
    return code == -EACCES ? "permission_denied" : code == -E2BIG ? "too_many" : "bad_topic";
}

void client_become_subscriber(struct client *c)
{
    struct ws_limits limits = c->socket.rules->limits;

    if (c->is_subscriber)
        return;
    client_forget_topics(c);
    c->is_subscriber = true;
    c->feed->n_subscribers++;
    if (!c->subscribes_first) /* it gets no lists any more */
        feed_emit_watched(c->feed, NULL);
    limits.max_queue = c->feed->o.max_queue;
    ws_set_limits(c->socket.ws, &limits);
}

static void on_subscribe(struct client *c, const json_t *message)
{
    _cleanup_(topics_done) struct topics wanted = {0};
    _cleanup_(topics_done) struct topics added = {0};
    struct error err = ERROR_INIT;
    size_t n_old = c->is_subscriber ? c->topics.items.size : 0; /* else they are removed below */
    int r = parse_topics(c, message, TOPICS_MAX - n_old, &wanted, &err);

    if (r < 0) {
        send_error(c, message, get_error_code(r), err.msg);
        return;
    }
    client_become_subscriber(c);
    map_foreach(&wanted.items, e) {
        if (add_topic(c, e->value))
            (void)topics_add(&added, e->value);
    }
    send_success(c, message, "subscribed");
    client_add_state(c, &added);
}

static void on_unsubscribe(struct client *c, const json_t *message)
{
    _cleanup_(topics_done) struct topics unwanted = {0};
    struct error err = ERROR_INIT;
    int r = parse_topics(c, message, TOPICS_MAX, &unwanted, &err);

    if (r < 0) {
        send_error(c, message, get_error_code(r), err.msg);
        return;
    }
    map_foreach(&unwanted.items, e) {
        (void)remove_topic(c, e->value);
        (void)topics_remove(&c->resync.only, e->value);
    }
    send_success(c, message, "unsubscribed");
}

/* --- clients that do not subscribe ------------------------------------------------------------ */

/*
 * Finds the container of {"container_id", "host_id"?}; the id may be HOST:ID. False: there is
 * none.
 */
static bool find_container(const struct client *c, const json_t *message, struct topic *ret)
{
    const char *host = json_text_get(message, "host_id");
    const char *id = json_text_get(message, "container_id");
    const char *colon = id ? strrchr(id, ':') : NULL;

    if (!id)
        return false;
    id = colon ? colon + 1 : id;
    *ret = (struct topic){.kind = TOPIC_STATS};
    map_foreach(fleet_hosts(c->feed->o.fleet), e) {
        const struct fleet_host *h = e->value;
        struct fleet_container *container;

        if ((host && !str_eq(host, h->row.id)) || fleet_find_container(h, id, &container) < 0)
            continue;
        str_copy(ret->host, sizeof(ret->host), h->row.id);
        memcpy(ret->container, container->id, CONTAINER_SHORT_ID_SIZE - 1);
        return true;
    }
    return false;
}

static void on_subscribe_stats(struct client *c, const json_t *message)
{
    struct topic t;

    if (!c->is_subscriber && c->topics.items.size < MAX_MODAL && find_container(c, message, &t))
        (void)add_topic(c, &t);
}

static void on_unsubscribe_stats(struct client *c, const json_t *message)
{
    struct topic t;

    if (!c->is_subscriber && find_container(c, message, &t))
        (void)remove_topic(c, &t);
}

static void on_modal_closed(struct client *c, const json_t *message _unused_)
{
    if (!c->is_subscriber && c->modal.host[0])
        (void)remove_topic(c, &c->modal);
    c->modal = (struct topic){0};
}

static void on_modal_opened(struct client *c, const json_t *message)
{
    struct topic t;

    on_modal_closed(c, message);
    if (!c->is_subscriber && find_container(c, message, &t) && add_topic(c, &t))
        c->modal = t;
}

static void on_ping(struct client *c, const json_t *message _unused_)
{
    client_send(c, json_pack("{s:s}", "type", "pong"));
}

/* --- requests --------------------------------------------------------------------------------- */

static const struct request {
    const char *type;
    void (*handle)(struct client *c, const json_t *message);
    bool is_search; /* may search the fleet; limited more strictly */
} requests[] = {
    {"ping",              on_ping,              false},
    {"subscribe",         on_subscribe,         true },
    {"unsubscribe",       on_unsubscribe,       true },
    {"subscribe_stats",   on_subscribe_stats,   true },
    {"unsubscribe_stats", on_unsubscribe_stats, true },
    {"modal_opened",      on_modal_opened,      true },
    {"modal_closed",      on_modal_closed,      false},
};

static const struct request *find_request(const char *type)
{
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        if (str_eq(type, requests[i].type))
            return &requests[i];
    }
    return NULL;
}

void client_on_request(struct client *c, const json_t *message)
{
    const struct request *r;

    if (!take_token(&c->messages, MESSAGES_PER_S, MESSAGES_PER_S)) {
        send_error(c, message, "rate_limit", "At most 100 messages per second");
        return;
    }
    if (!json_is_object(message)) {
        send_error(c, NULL, "bad_message", "Expected a JSON object");
        return;
    }
    r = find_request(json_text_get(message, "type"));
    if (!r)
        return; /* a request of a feature that this server does not have */
    if (r->is_search && !take_token(&c->subscriptions, SUBSCRIPTIONS_BURST, SUBSCRIPTIONS_PER_S)) {
        send_error(c, message, "rate_limit",
                   "At most 10 subscriptions per second on average: send several topics in one");
        return;
    }
    r->handle(c, message);
}
