#include "server/session/stats_channel.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "proto/stats.h"
#include "server/fleet/fleet_listener.h"
#include "server/session/sample_apply.h"
#include "server/store/secret.h"

#include <string.h>
#include <strings.h>

#define BEARER       "Bearer "
#define UNCONFIRMED  "unconfirmed:"
#define REVOKED      "revoked:"
#define MAX_MESSAGE  ((size_t)16 * 1024)
#define MAX_QUEUE    ((size_t)4096) /* pongs and a close */
#define MAX_DEPTH    4
#define COMPLAINT_MS 60000

struct channel {
    struct list link; /* on stats_channels.open */
    struct stats_channels *owner;
    struct ws *ws;
    char *host_id;
    uint64_t complained_ms;
    bool is_closing;
};

struct stats_channels {
    struct fleet *fleet;
    struct map by_host; /* host id -> the newest channel of it */
    struct list open;
    bool is_stopping;
};

static void channel_close(struct channel *c, unsigned code, const char *reason)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    ws_close(c->ws, code, reason);
}

/* At most once a minute. */
static void complain(struct channel *c, const char *what)
{
    uint64_t now_ms = time_monotonic_ms();

    if (c->complained_ms > 0 && now_ms - c->complained_ms < COMPLAINT_MS)
        return;
    c->complained_ms = now_ms;
    log_warn(LOG_FIELDS("host", c->host_id), "stats channel: %s", what);
}

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    struct channel *c = owner;
    struct stats_channels *s = c->owner;
    _cleanup_(msg_container_stats_done) struct msg_container_stats m = {0};
    struct fleet_host *h = fleet_find_host(s->fleet, c->host_id);
    struct error err = ERROR_INIT;
    struct container_sample sample;
    struct samples batch;
    json_t *message;
    int r;

    if (c->is_closing)
        return;
    if (!h || !h->agent.token_hash || str_starts_with(h->agent.token_hash, REVOKED)) {
        channel_close(c, WS_CLOSE_POLICY, "Agent deleted or revoked");
        return;
    }
    message = is_binary ? NULL : json_text_parse(data, size, MAX_DEPTH, &err);
    if (!message) {
        complain(c, "a message is not valid JSON");
        channel_close(c, WS_CLOSE_POLICY, "Message is not valid JSON");
        return;
    }
    r = msg_container_stats_decode(message, &m, &err);
    json_decref(message);
    if (r < 0) {
        complain(c, err.msg);
        return;
    }
    if (!sample_apply_container(h, &m))
        return; /* its list is on the way */
    if (sample_to_batch(h, &m, &sample, &batch))
        fleet_notify_samples(s->fleet, h, &batch);
}

static void channel_free(struct channel *c)
{
    if (map_find(&c->owner->by_host, c->host_id) == c)
        (void)map_remove(&c->owner->by_host, c->host_id);
    list_unlink(&c->link);
    free(c->host_id);
    free(c);
}

static void on_close(void *owner, const struct ws_close *why)
{
    (void)why;
    channel_free(owner);
}

static void *on_accept(void *owner, struct ws *ws, void *context)
{
    struct stats_channels *s = owner;
    struct channel *c = xcalloc(1, sizeof(*c));
    struct channel *old;

    c->owner = s;
    c->ws = ws;
    c->host_id = context;
    list_append(&s->open, &c->link);
    ws_trust(ws);
    old = map_put(&s->by_host, c->host_id, c);
    if (old)
        channel_close(old, WS_CLOSE_NORMAL, "New connection established");
    if (s->is_stopping)
        channel_close(c, WS_CLOSE_GOING_AWAY, "Server is stopping");
    return c;
}

/* Whether what the live model knows of an agent's token is this hash; a revoked one has another prefix. */
static bool is_token(const char *known, const char *hash)
{
    if (str_starts_with(known, UNCONFIRMED))
        known += strlen(UNCONFIRMED);
    return str_eq_secret(known, hash);
}

/* The host whose agent has this permanent token. */
static struct fleet_host *find_host(const struct fleet *f, const char *token)
{
    char hash[SECRET_HASH_SIZE];

    secret_hash(token, hash);
    map_foreach(fleet_hosts(f), e) {
        struct fleet_host *h = e->value;

        if (h->agent.token_hash && is_token(h->agent.token_hash, hash))
            return h;
    }
    return NULL;
}

static char *request_token(const struct http_request *r)
{
    const char *authorization = http_request_header(r, "authorization");

    if (authorization && strncasecmp(authorization, BEARER, strlen(BEARER)) == 0)
        return xstrdup(authorization + strlen(BEARER));
    return http_request_query(r, "token");
}

int stats_channels_accept(struct stats_channels *s,
                          const struct http_request *r,
                          struct ws_accept *ret)
{
    static const struct ws_handler handler = {.on_message = on_message, .on_close = on_close};
    char *token = request_token(r);
    const struct fleet_host *h = str_is_empty(token) ? NULL : find_host(s->fleet, token);

    secret_free(token);
    if (!h)
        return 401;
    *ret = (struct ws_accept){
        .limits = {.max_message = MAX_MESSAGE, .max_queue = MAX_QUEUE},
        .handler = &handler,
        .on_accept = on_accept,
        .owner = s,
        .context = xstrdup(h->row.id),
        .free_context = free,
    };
    return 0;
}

struct stats_channels *stats_channels_new(struct fleet *fleet)
{
    struct stats_channels *s = xcalloc(1, sizeof(*s));

    s->fleet = fleet;
    list_init(&s->open);
    return s;
}

void stats_channels_stop(struct stats_channels *s)
{
    s->is_stopping = true;
    for (struct list *l = s->open.next; l != &s->open; l = l->next) {
        channel_close(CONTAINER_OF(l, struct channel, link), WS_CLOSE_GOING_AWAY,
                      "Server is stopping");
    }
}

void stats_channels_free(struct stats_channels *s)
{
    if (!s)
        return;
    while (!list_empty(&s->open)) {
        struct channel *c = CONTAINER_OF(list_take_first(&s->open), struct channel, link);

        ws_free(c->ws);
        channel_free(c);
    }
    map_done(&s->by_host);
    free(s);
}
