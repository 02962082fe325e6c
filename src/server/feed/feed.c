#include "server/feed/feed.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/container_json.h"
#include "server/api/event_json.h"
#include "server/api/fleet_json.h"
#include "server/auth/credentials.h"

#include <assert.h>
#include <errno.h>

#define WS_CLOSE_TRY_AGAIN 1013
#define MAX_CLIENTS        1000
#define MAX_MESSAGE        4096               /* of a client */
#define MAX_QUEUE          ((size_t)16 << 20) /* beyond it a client is too slow */
#define TICK_MS            1000
#define MAX_PER_SECOND     100

enum client_state {
    CLIENT_AUTHENTICATING,
    CLIENT_WATCHING, /* gets everything */
    CLIENT_BEHIND,   /* lost messages; gets a fresh state when its queue has drained */
    CLIENT_CLOSING,  /* refused or leaving: gets nothing more */
};

struct client {
    struct list link;
    struct feed *feed; /* NULL: the feed has ended before the authentication did */
    struct ws *ws;
    enum client_state state;
    struct identity who;
    bool wants_deltas;     /* containers_delta instead of containers_update */
    bool is_check_pending; /* the authentication will still call back */
    bool is_gone;          /* the socket has closed meanwhile */
    uint64_t second;       /* of the rate limit, and how many messages came in it */
    unsigned n_messages;
};

struct feed {
    struct feed_options o;
    struct list clients;
    size_t n_clients;
    bool is_dirty;            /* containers or hosts have changed since the last tick */
    uint64_t n_removed_hosts; /* the fleet's, at the last tick */
    struct loop_timer tick;
};

static void client_set_state(struct client *c, enum client_state state)
{
    assert(c->state != CLIENT_CLOSING);
    assert(state != CLIENT_AUTHENTICATING);
    c->state = state;
}

static void client_free(struct client *c)
{
    list_unlink(&c->link);
    if (c->feed)
        c->feed->n_clients--;
    free(c);
}

static void client_refuse(struct client *c, unsigned code, const char *reason)
{
    client_set_state(c, CLIENT_CLOSING);
    ws_close(c->ws, code, reason);
}

static void client_send_text(struct client *c, const char *text, size_t size)
{
    if (c->state != CLIENT_WATCHING)
        return;
    if (ws_send_text(c->ws, text, size) == -ENOBUFS)
        client_set_state(c, CLIENT_BEHIND);
}

/* message is stolen. */
static void client_send(struct client *c, json_t *message)
{
    size_t size;
    _cleanup_free_ char *text = json_text_write(message, &size);

    client_send_text(c, text, size);
    json_decref(message);
}

/* --- messages ------------------------------------------------------------------------------------- */

static json_t *envelope(const char *type, json_t *data)
{
    return json_pack("{s:s, s:o}", "type", type, "data", data);
}

static json_t *host_metrics_json(const struct fleet *fleet)
{
    json_t *all = json_object();

    map_foreach(fleet_hosts(fleet), e) {
        const struct fleet_host *h = e->value;
        const struct fleet_sample *s = &h->sample;

        if (s->sampled_at_ms) {
            (void)json_object_set_new(all, h->row.id,
                                      json_pack("{s:f, s:f, s:f}", "cpu_percent", s->cpu_percent,
                                                "mem_percent", s->memory_percent,
                                                "net_bytes_per_sec", s->net_bytes_per_sec));
        }
    }
    return all;
}

static void add_text(struct buf *out, const char *text)
{
    (void)buf_append_str(out, text); /* texts of the feed have no limit of their own */
}

/* value is stolen. */
static void add_json(struct buf *out, json_t *value)
{
    size_t size;
    _cleanup_free_ char *text = json_text_write(value, &size);

    (void)buf_append(out, text, size);
    json_decref(value);
}

static void add_containers(struct buf *out, const struct feed *f, enum role role)
{
    add_text(out, ",\"containers\":");
    fleet_containers_write(out, f->o.fleet, NULL, role >= ROLE_OPERATOR);
}

static void add_timestamp(struct buf *out)
{
    char now[TIME_TEXT_SIZE];

    (void)buf_printf(out, ",\"timestamp\":\"%s\"", time_format_ms(time_utc_ms(), now));
}

static void write_initial_state(struct buf *out, const struct feed *f, enum role role)
{
    add_text(out, "{\"type\":\"initial_state\",\"data\":{\"hosts\":");
    fleet_hosts_write(out, f->o.fleet);
    add_containers(out, f, role);
    add_text(out, ",\"settings\":{},\"blackout\":{\"is_active\":false}}}");
}

static void write_update(struct buf *out, const struct feed *f, enum role role)
{
    add_text(out, "{\"type\":\"containers_update\",\"data\":{\"hosts\":");
    fleet_hosts_write(out, f->o.fleet);
    add_containers(out, f, role);
    add_timestamp(out);
    add_text(out, ",\"host_metrics\":");
    add_json(out, host_metrics_json(f->o.fleet));
    add_text(out, ",\"host_sparklines\":{},\"container_sparklines\":{}}}");
}

static void send_text(struct client *c, struct buf *text)
{
    client_send_text(c, text->data, text->size);
    buf_clear(text);
}

static void send_state(struct client *c)
{
    struct buf text = BUF_INIT(SIZE_MAX / 2);

    write_initial_state(&text, c->feed, c->who.role);
    send_text(c, &text);
    if (!c->wants_deltas) {
        write_update(&text, c->feed, c->who.role);
        send_text(c, &text);
    }
    buf_done(&text);
}

/* message is stolen. */
static void broadcast(struct feed *f, json_t *message)
{
    size_t size;
    _cleanup_free_ char *text = json_text_write(message, &size);

    for (struct list *l = f->clients.next; l != &f->clients; l = l->next)
        client_send_text(CONTAINER_OF(l, struct client, link), text, size);
    json_decref(message);
}

/* --- what has changed ------------------------------------------------------------------------------ */

/* A comma unless it is the first element of its array. */
static void separate(struct buf *out)
{
    if (out->data[out->size - 1] != '[')
        add_text(out, ",");
}

static bool is_host_changed(const struct fleet_host *h)
{
    return h->version != h->fed.version || h->containers.size != h->fed.n_containers;
}

static void add_changed_hosts(struct buf *out, const struct feed *f)
{
    map_foreach(fleet_hosts(f->o.fleet), e) {
        struct fleet_host *h = e->value;

        if (!is_host_changed(h))
            continue;
        separate(out);
        fleet_host_write(out, h);
    }
}

static void add_changed_containers(struct buf *out, const struct feed *f, enum role role)
{
    struct buf host = BUF_INIT(SIZE_MAX / 2);

    map_foreach(fleet_hosts(f->o.fleet), e) {
        struct fleet_host *h = e->value;

        if (h->containers_version == h->fed.containers_version)
            continue;
        buf_clear(&host);
        container_host_write(&host, h);
        map_foreach(&h->containers, entry) {
            struct fleet_container *c = entry->value;

            if (c->version <= h->fed.containers_version)
                continue;
            separate(out);
            container_write(out, &host, c, role >= ROLE_OPERATOR);
        }
    }
    buf_done(&host);
}

static void add_removed(struct buf *out, const struct feed *f)
{
    map_foreach(fleet_hosts(f->o.fleet), e) {
        const struct fleet_host *h = e->value;

        for (size_t i = 0; i < h->removed.n; i++) {
            if (map_find(&h->containers, h->removed.items[i]))
                continue; /* it came back */
            separate(out);
            add_json(out, json_pack("{s:s, s:s}", "host_id", h->row.id, "id", h->removed.items[i]));
        }
    }
}

static void write_delta(struct buf *out, const struct feed *f, enum role role)
{
    add_text(out, "{\"type\":\"containers_delta\",\"data\":{\"hosts\":[");
    add_changed_hosts(out, f);
    add_text(out, "],\"containers\":[");
    add_changed_containers(out, f, role);
    add_text(out, "],\"removed\":[");
    add_removed(out, f);
    add_text(out, "]");
    add_timestamp(out);
    add_text(out, "}}");
}

/* A delta cannot tell that a host has gone, nor more removals than a host remembers. */
static bool can_tell(const struct feed *f)
{
    if (f->n_removed_hosts != fleet_n_removed_hosts(f->o.fleet))
        return false;
    map_foreach(fleet_hosts(f->o.fleet), e) {
        if (((const struct fleet_host *)e->value)->is_removed_cut)
            return false;
    }
    return true;
}

static void forget_news(struct feed *f)
{
    f->n_removed_hosts = fleet_n_removed_hosts(f->o.fleet);
    map_foreach(fleet_hosts(f->o.fleet), e) {
        struct fleet_host *h = e->value;

        h->fed.version = h->version;
        h->fed.containers_version = h->containers_version;
        h->fed.n_containers = h->containers.size;
        fleet_forget_removed(h);
    }
}

/* --- a client ------------------------------------------------------------------------------------- */

static void on_identity(void *owner, int code, const struct identity *who)
{
    struct client *c = owner;

    c->is_check_pending = false;
    if (c->is_gone) {
        client_free(c); /* c is gone now */
        return;
    }
    if (c->state == CLIENT_CLOSING)
        return;
    if (code < 0) {
        client_refuse(c, WS_CLOSE_POLICY,
                      code == -EACCES   ? "This API key may not be used from this address"
                      : code == -ENOKEY ? "Invalid or expired session"
                                        : "Server busy");
        return;
    }
    if (who->must_change_password) {
        client_refuse(c, WS_CLOSE_POLICY, AUTH_MUST_CHANGE);
        return;
    }
    c->who = *who;
    ws_trust(c->ws);
    client_set_state(c, CLIENT_WATCHING);
    send_state(c);
}

/* What the request of a client said. */
struct upgrade {
    struct credentials *credentials;
    bool wants_deltas;
};

static void free_upgrade(void *context)
{
    struct upgrade *u = context;

    credentials_free(u->credentials);
    free(u);
}

static void *on_accept(void *owner, struct ws *ws, void *context)
{
    struct feed *f = owner;
    struct upgrade *upgrade = context;
    const struct credentials *credentials = upgrade->credentials;
    struct client *c = xcalloc(1, sizeof(*c));
    struct auth_proof proof;

    c->feed = f;
    c->ws = ws;
    c->wants_deltas = upgrade->wants_deltas;
    list_append(&f->clients, &c->link);
    f->n_clients++;
    if (f->n_clients > MAX_CLIENTS) {
        client_refuse(c, WS_CLOSE_TRY_AGAIN, "Too many clients");
    } else if (!credentials->session_id && !credentials->bearer) {
        client_refuse(c, WS_CLOSE_POLICY, "Authentication required");
    } else {
        c->is_check_pending = true;
        proof = credentials_proof(credentials);
        auth_check(f->o.auth, &proof, on_identity, c);
    }
    free_upgrade(upgrade);
    return c;
}

static bool is_within_rate(struct client *c)
{
    uint64_t second = time_monotonic_ms() / 1000;

    if (c->second != second) {
        c->second = second;
        c->n_messages = 0;
    }
    return ++c->n_messages <= MAX_PER_SECOND;
}

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    struct client *c = owner;
    json_t *message;

    if (!is_within_rate(c)) {
        client_send(c, json_pack("{s:s, s:s, s:s}", "type", "error", "error", "rate_limit",
                                 "message", "At most 100 messages per second"));
        return;
    }
    message = is_binary ? NULL : json_text_parse(data, size, 8, NULL);
    if (!json_is_object(message)) {
        client_send(c, json_pack("{s:s, s:s, s:s}", "type", "error", "error", "bad_message",
                                 "message", "Expected a JSON object"));
    } else if (str_eq(json_text_get(message, "type"), "ping")) {
        client_send(c, json_pack("{s:s}", "type", "pong"));
    }
    json_decref(message); /* other types concern what this server does not send */
}

static void on_drain(void *owner)
{
    struct client *c = owner;

    if (c->state != CLIENT_BEHIND)
        return;
    client_set_state(c, CLIENT_WATCHING);
    send_state(c);
}

static void on_close(void *owner, const struct ws_close *why)
{
    struct client *c = owner;

    (void)why;
    c->is_gone = true;
    if (!c->is_check_pending)
        client_free(c); /* c is gone now */
}

/* --- the feed ------------------------------------------------------------------------------------- */

/* To those of a kind, in one text for all of them. */
static void send_to(struct feed *f,
                    bool wants_deltas,
                    bool with_env,
                    void (*write)(struct buf *out, const struct feed *f, enum role role))
{
    struct buf text = BUF_INIT(SIZE_MAX / 2);

    for (struct list *l = f->clients.next; l != &f->clients; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, link);

        if (c->state != CLIENT_WATCHING || c->wants_deltas != wants_deltas ||
            (c->who.role >= ROLE_OPERATOR) != with_env)
            continue;
        if (!text.size)
            write(&text, f, c->who.role);
        client_send_text(c, text.data, text.size);
    }
    buf_done(&text);
}

static void on_tick(struct loop_timer *t)
{
    struct feed *f = CONTAINER_OF(t, struct feed, tick);

    for (int with_env = 0; with_env <= 1; with_env++) {
        send_to(f, false, with_env, write_update);
        send_to(f, true, with_env, can_tell(f) ? write_delta : write_initial_state);
    }
    forget_news(f);
    f->is_dirty = false;
}

struct feed *feed_new(const struct feed_options *o)
{
    struct feed *f = xcalloc(1, sizeof(*f));

    f->o = *o;
    list_init(&f->clients);
    return f;
}

void feed_stop(struct feed *f)
{
    for (struct list *l = f->clients.next; l != &f->clients; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, link);

        if (c->state != CLIENT_CLOSING && !c->is_gone)
            client_refuse(c, WS_CLOSE_GOING_AWAY, "Server is stopping");
    }
}

void feed_free(struct feed *f)
{
    if (!f)
        return;
    loop_timer_stop(&f->tick);
    while (!list_empty(&f->clients)) {
        struct client *c = CONTAINER_OF(list_take_first(&f->clients), struct client, link);

        if (!c->is_gone)
            ws_free(c->ws);
        c->is_gone = true;
        if (c->is_check_pending) { /* on_identity() frees it */
            c->feed = NULL;
        } else {
            client_free(c);
        }
    }
    free(f);
}

void feed_accept(struct feed *f, const struct http_request *r, struct ws_accept *ret)
{
    static const struct ws_handler handler = {
        .on_message = on_message,
        .on_drain = on_drain,
        .on_close = on_close,
    };

    _cleanup_free_ char *deltas = http_request_query(r, "deltas");
    struct upgrade *upgrade = xcalloc(1, sizeof(*upgrade));

    upgrade->credentials = credentials_new(r);
    upgrade->wants_deltas = str_eq(deltas, "true");
    *ret = (struct ws_accept){
        .limits = {.max_message = MAX_MESSAGE, .max_queue = MAX_QUEUE},
        .handler = &handler,
        .on_accept = on_accept,
        .owner = f,
        .context = upgrade,
        .free_context = free_upgrade,
    };
}

void feed_on_containers(struct feed *f)
{
    if (f->is_dirty)
        return;
    f->is_dirty = true;
    loop_timer_start(f->o.loop, &f->tick, TICK_MS, on_tick);
}

void feed_on_host(struct feed *f, const struct fleet_host *h)
{
    if (f->n_clients > 0) {
        broadcast(f, envelope("host_status_changed",
                              json_pack("{s:s, s:s}", "host_id", h->row.id, "status",
                                        h->is_online ? "online" : "offline")));
    }
    feed_on_containers(f);
}

void feed_on_event(struct feed *f, const struct event *e)
{
    if (f->n_clients == 0)
        return;
    broadcast(f, json_pack("{s:s, s:o}", "type", "new_event", "event", event_json(e)));
}

void feed_on_batch(struct feed *f, const char *type, json_t *data)
{
    size_t size;
    json_t *message = envelope(type, data);
    _cleanup_free_ char *text = json_text_write(message, &size);

    for (struct list *l = f->clients.next; l != &f->clients; l = l->next) {
        struct client *c = CONTAINER_OF(l, struct client, link);

        if (c->who.role >= ROLE_OPERATOR)
            client_send_text(c, text, size);
    }
    json_decref(message);
}
