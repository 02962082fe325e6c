#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/feed/feed_internal.h"
#include "server/fleet/scope_view.h"

#include <assert.h>
#include <errno.h>

void client_set_state(struct client *c, enum client_state state)
{
    assert(c->state != CLIENT_CLOSING);
    assert(state != CLIENT_AUTHENTICATING);
    c->state = state;
}

void client_refuse(struct client *c, unsigned code, const char *reason)
{
    client_set_state(c, CLIENT_CLOSING);
    c->feed->n_clients--;
    c->feed->n_subscribers -= c->is_subscriber;
    client_forget_topics(c);
    ws_close(c->ws, code, reason);
}

/* All of them together may hold so much; who has nothing waiting is always served. */
static bool is_crowded(const struct client *c, size_t size)
{
    const struct feed *f = c->feed;
    size_t sum = size;

    if (ws_queued(c->ws) == 0)
        return false;
    for (struct list *l = f->clients.next; l != &f->clients; l = l->next)
        sum += ws_queued(CONTAINER_OF(l, struct client, link)->ws);
    return sum > FEED_ALL_QUEUES;
}

void client_send_text(struct client *c, const char *text, size_t size)
{
    if (c->state != CLIENT_WATCHING)
        return;
    if (!is_crowded(c, size) && ws_send_text(c->ws, text, size) != -ENOBUFS)
        return;
    if (ws_queued(c->ws) > 0) {
        client_set_state(c, CLIENT_BEHIND);
    } else { /* there will be no drain to wait for, and no larger queue */
        client_refuse(c, WS_CLOSE_TOO_BIG, "What there is to tell is too large: subscribe to less");
    }
}

void client_send(struct client *c, json_t *message)
{
    size_t size;
    _cleanup_free_ char *text = json_text_write(message, &size);

    client_send_text(c, text, size);
    json_decref(message);
}

bool client_sees_env(const struct client *c)
{
    return c->who.role >= ROLE_OPERATOR;
}

bool client_may_know(const struct client *c, const char *host_id, const char *container_id)
{
    const struct fleet_host *h;
    struct fleet_container *container;

    if (!scope_is_limited(&c->who.scope))
        return true;
    h = host_id ? fleet_find_host(c->feed->o.fleet, host_id) : NULL;
    if (!h)
        return false;
    if (container_id && fleet_find_container(h, container_id, &container) == 0)
        return scope_allows_container(&c->who.scope, h, container);
    return scope_allows_whole_host(&c->who.scope, h);
}

bool client_sees_host(const struct client *c,
                      const char *host_id,
                      const char *container_id _unused_)
{
    const struct fleet_host *h = host_id ? fleet_find_host(c->feed->o.fleet, host_id) : NULL;

    return h && scope_allows_host(&c->who.scope, h);
}
