#include "server/session/stats_channel.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "proto/stats.h"
#include "proto/stats_text.h"
#include "server/fleet/fleet_listener.h"
#include "server/session/host_sum.h"
#include "server/session/sample_apply.h"
#include "server/store/secret.h"

#include <string.h>
#include <strings.h>

#define BEARER       "Bearer "
#define MAX_DEPTH    4
#define COMPLAINT_MS 60000

struct channel {
    struct ws_client socket;
    struct stats_channels *owner;
    char *host_id;
    char token_hash[SECRET_HASH_SIZE];
    uint64_t complained_ms;
};

struct stats_channels {
    struct fleet *fleet;
    struct sessions *sessions;
    struct sessions_listener listener;
    struct ws_clients clients;
    struct map by_host; /* host id -> the newest channel of it */
};

static struct channel *channel_of(struct ws_client *socket)
{
    return CONTAINER_OF(socket, struct channel, socket);
}

/* Logs at most once a minute. */
static void complain(struct channel *c, const char *what)
{
    uint64_t now_ms = time_monotonic_ms();

    if (c->complained_ms > 0 && now_ms - c->complained_ms < COMPLAINT_MS)
        return;
    c->complained_ms = now_ms;
    log_warn(LOG_FIELDS("host", c->host_id), "stats channel: %s", what);
}

static void take_sample(const struct channel *c, const struct msg_container_stats *m)
{
    struct fleet_host *h = fleet_find_host(c->owner->fleet, c->host_id);
    struct container_sample sample;
    struct samples batch;

    if (!h)
        return; /* the host was replaced by another one */
    sessions_note_sample(c->owner->sessions, h->agent.id);
    if (!sample_apply_container(h, m))
        return; /* the list with this container has not come yet, or it is a copy */
    if (sample_to_batch(h, m, &sample, &batch))
        fleet_notify_samples(c->owner->fleet, h, &batch);
    host_sum_update(c->owner->fleet, h, HOST_SUM_AFTER_MS);
}

static void on_message(struct ws_client *socket, const char *data, size_t size, bool is_binary)
{
    struct channel *c = channel_of(socket);
    _cleanup_(msg_container_stats_done) struct msg_container_stats m = {0};
    struct error err = ERROR_INIT;
    struct stats_text text;
    json_t *message;

    if (!is_binary && stats_text_read_payload(data, size, &text)) {
        take_sample(c, &text.m);
        return;
    }
    message = is_binary ? NULL : json_text_parse(data, size, MAX_DEPTH, &err);
    if (!message) {
        complain(c, "a message is not valid JSON");
        ws_client_close(socket, WS_CLOSE_POLICY, "Message is not valid JSON");
        return;
    }
    if (msg_container_stats_decode(message, &m, &err) < 0) {
        complain(c, err.msg);
    } else {
        take_sample(c, &m);
    }
    json_decref(message);
}

static void on_admitted(struct ws_client *socket)
{
    struct channel *c = channel_of(socket);
    struct channel *old = map_put(&c->owner->by_host, c->host_id, c);

    if (old)
        ws_client_close(&old->socket, WS_CLOSE_NORMAL, "New connection established");
}

static void on_gone(struct ws_client *socket)
{
    struct channel *c = channel_of(socket);

    if (map_find(&c->owner->by_host, c->host_id) == c)
        (void)map_remove(&c->owner->by_host, c->host_id);
    free(c->host_id);
    free(c);
}

static const struct ws_client_handler client_handler = {
    .admitted = on_admitted,
    .on_message = on_message,
    .gone = on_gone,
};

/* Closes the agent's channel if its token has become invalid. */
static void on_tokens(struct sessions_listener *l, const char *agent_id)
{
    struct stats_channels *s = CONTAINER_OF(l, struct stats_channels, listener);
    const struct fleet_host *h = fleet_find_agent(s->fleet, agent_id);
    struct channel *c = h ? map_find(&s->by_host, h->row.id) : NULL;

    if (c && !sessions_find_token(s->sessions, c->token_hash))
        ws_client_close(&c->socket, WS_CLOSE_POLICY, "The token is no longer valid");
}

static char *request_token(const struct http_request *r)
{
    const char *authorization = http_request_header(r, "authorization");

    if (authorization && strncasecmp(authorization, BEARER, strlen(BEARER)) == 0)
        return xstrdup(authorization + strlen(BEARER));
    return http_request_query(r, "token");
}

/* The host whose agent has the token, or NULL. */
static const struct fleet_host *find_host(const struct stats_channels *s,
                                          const char *token,
                                          char ret_hash[SECRET_HASH_SIZE])
{
    const char *agent_id;

    secret_hash(token, ret_hash);
    agent_id = sessions_find_token(s->sessions, ret_hash);
    return agent_id ? fleet_find_agent(s->fleet, agent_id) : NULL;
}

bool stats_channels_admits(const struct stats_channels *s, const struct http_request *r)
{
    char *token = request_token(r);
    char hash[SECRET_HASH_SIZE];
    bool is_admitted = !token || find_host(s, token, hash);

    secret_free(token);
    return is_admitted;
}

int stats_channels_accept(struct stats_channels *s,
                          const struct http_request *r,
                          const struct ws_rules *rules,
                          struct ws_accept *ret)
{
    char *token = request_token(r);
    char hash[SECRET_HASH_SIZE];
    const struct fleet_host *h = find_host(s, token ? token : "", hash);
    struct channel *c;

    secret_free(token);
    if (!h)
        return 401;
    c = xcalloc(1, sizeof(*c));
    c->owner = s;
    str_copy(c->token_hash, sizeof(c->token_hash), hash);
    c->host_id = xstrdup(h->row.id);
    ws_clients_accept(&s->clients, &c->socket, r, rules, ret);
    return 0;
}

struct stats_channels *stats_channels_new(struct fleet *fleet, struct sessions *sessions)
{
    struct stats_channels *s = xcalloc(1, sizeof(*s));

    s->fleet = fleet;
    s->sessions = sessions;
    s->listener.on_tokens = on_tokens;
    sessions_add_listener(sessions, &s->listener);
    ws_clients_init(&s->clients,
                    &(struct ws_clients){.name = "stats channel", .handler = &client_handler});
    return s;
}

void stats_channels_stop(struct stats_channels *s)
{
    ws_clients_stop(&s->clients);
}

void stats_channels_free(struct stats_channels *s)
{
    if (!s)
        return;
    sessions_remove_listener(&s->listener);
    ws_clients_free_all(&s->clients);
    map_done(&s->by_host);
    free(s);
}
